### Mails: English. Plain texts; the templates escape every value.
### $sender: name or address · $who: name with address · $until, $date: dates · $brand, $domain: the organisation

## Every mail
mail-footer = Sent by { $brand }, { $domain }. This mail holds no pictures and no tracking.
mail-imprint = Who runs this:
mail-privacy = What is done with your data:
mail-contact = Questions, or a doubt whether this mail is genuine:
mail-no-reply = Please do not answer this mail: your answer would not be encrypted. You can answer in the mailbox.
mail-link = If the button does not work, copy this link into your browser:
mail-below = This mail in English: further below.
mail-or = or
mail-sample-subject = Sample: { $subject }

## Invitation
mail-invite-subject = Secure message from { $sender_address }
mail-invite-title = You have received a secure { $brand } Guard email
mail-invite-who = { $who } wrote a confidential message to you ({ $recipient }) on { $date }. It is not in this mail. It is kept encrypted at { $brand }.
mail-invite-renewed = This invitation takes the place of an earlier one. The link and the PIN from before open nothing any more.
mail-note-intro = { $sender } adds this note. The note is not encrypted:
mail-invite-click = Please press the button to read it:
mail-invite-button = READ MESSAGE
mail-invite-link-text = To read it, open this link in your browser:
mail-invite-until = The link works until { $until }. There is no hurry.
mail-invite-code = If the page asks for an access code:
mail-invite-pin-title = You also need a PIN.
mail-invite-pin = { $sender } gives it to you in person, by phone, text message or letter. We never send it by email, and never ask for it by email.
mail-unsure-title = Not sure? Ask first.
mail-unsure = Call { $sender } on a number that you already know, not one from a mail.
mail-check-host = The link leads to { $host }: your browser must show exactly that.
mail-check-domain = { $host } belongs to { $domain }, and so does the address that wrote to you.
mail-never = The page lets you choose a new password. It never asks for the password of your email account, for bank details or for money.

## A further message before the mailbox was opened, from somebody else
mail-waiting-title = Another secure message is waiting for you
mail-waiting-who = { $who } wrote a confidential message to you ({ $recipient }) on { $date }. It lies in the same temporary mailbox at { $brand } as the message that { $first_sender } wrote to you.
mail-waiting-open = To read everything in it, open the mail from us of { $first_date }, “Secure message from { $first_sender }”. Its link opens the mailbox until { $until }. This mail holds no link, so that there is only one.
mail-waiting-lost = You no longer have that mail? Ask { $first_sender } to send the invitation again.

## A further message
mail-next-subject = New secure message from { $sender_address }
mail-next-title = There is a new message in your mailbox
mail-next-who = { $who } wrote a confidential message to you ({ $recipient }) on { $date }. It is in your temporary mailbox at { $brand }.
mail-next-click = Sign in with your address and your password:
mail-next-button = SIGN IN
mail-next-forgot = Forgotten the password? It cannot be recovered. Ask { $sender } for a new invitation.
mail-unsure-genuine-title = Not sure whether this mail is genuine?
mail-unsure-genuine = Type { $host } into your browser yourself, or call { $brand } on a number that you already know.

## The test message for a key of a recipient's own
mail-test-subject = Test message for your key, { $brand }
mail-test-title = Your key works
mail-test-what = You can read this, so your mail program opens what is encrypted to this key. Type the code into the page where you asked for this message, at { $host }. From then on { $brand } sends messages to { $recipient } directly.
mail-test-code = The code:
mail-test-not-you = If you did not ask for this, somebody else has your mailbox open. Do not pass the code on, and tell { $brand }.

## Before a mailbox closes
mail-warn-subject = Your mailbox at { $brand } closes on { $closes }
mail-warn-title = Your mailbox closes on { $closes }
mail-warn-what = Nothing has happened in your temporary mailbox at { $brand } ({ $recipient }) for a long time. On { $closes } it closes: nobody can sign in after that. On { $goes } it is deleted with all its messages; nobody can open them on this server after that.
mail-warn-keep = To keep it, sign in once: the { $days } days then begin again. To keep a copy of everything, sign in and choose Export.
mail-warn-what-new = In a temporary mailbox at { $brand } confidential messages are waiting for you ({ $recipient }). Nobody has opened it yet. On { $closes } it closes, and on { $goes } it is deleted with all its messages; nobody can open them on this server after that.
mail-warn-open = To read and keep them, open the mail from us of { $invited }, “Secure message from { $inviter }”, or its newest repetition. Its link opens the mailbox until then. Inside you can also save a copy of everything: choose Export.
mail-warn-lost = You no longer have that mail? Ask { $inviter } to send the invitation again.
mail-warn-open-any = To read and keep them, open the mail from us of { $invited } whose subject begins with “Secure message from”. Its link opens the mailbox until then. Inside you can also save a copy of everything: choose Export.
mail-warn-lost-any = You no longer have that mail? Then ask whoever wrote to you at { $brand } to send the message again.
mail-warn-dead = A wrong PIN was entered too often: the link in the invitation no longer opens the mailbox.
mail-warn-ask = To read the messages, ask { $inviter } for a new invitation before that day.
mail-warn-ask-any = To read the messages, ask whoever wrote to you at { $brand } to send them again.
mail-warn-nothing = If you do not need the messages, do nothing.

## Several messages since the last mail
mail-several-subject = { $n ->
    [one] A new secure message
   *[other] { $n } new secure messages
}
mail-several-title = { $n ->
    [one] There is a new message in your mailbox
   *[other] There are { $n } new messages in your mailbox
}
mail-several-who = { $n ->
    [one] One confidential message has come for you ({ $recipient }) since { $date }, from { $who }. It is in your temporary mailbox at { $brand }.
   *[other] { $n } confidential messages have come for you ({ $recipient }) since { $date }, from { $who }. They are in your temporary mailbox at { $brand }.
}
mail-several-named = { $others ->
    [one] { $named } and one other
   *[other] { $named } and { $others } others
}
mail-several-forgot = Forgotten the password? It cannot be recovered. Ask one of them for a new invitation.
mail-several-open = To read them, open the mail from us of { $first_date }, “Secure message from { $first_sender }”. Its link opens the mailbox until { $until }. This mail holds no link, so that there is only one.

## Into a mailbox whose address has a newer one
mail-anew-subject = You have had a new mailbox since { $date }
mail-anew-text = On { $date }, { $by } asked for a new temporary mailbox for you ({ $recipient }), and an invitation to it was sent to you by mail. New messages go there.
mail-anew-here = The messages here stay, and this mailbox still opens as it did before. It closes on { $until } unless you sign in.
mail-anew-doubt = You did not want that? Call { $by } on a number that you already know.

## Somebody answered an invitation or a notice by mail
mail-answer-subject = Your answer was not delivered
mail-answer-title = Your answer was not delivered
mail-answer-text = You wrote to { $address }. Nobody reads that address: the mails from there only tell that a secure message is waiting, and an answer by mail would not be encrypted. Your mail was not kept.
mail-answer-portal = To answer, open your mailbox and press Reply there:
mail-answer-first = If you have not opened the mailbox yet, use the link in the mail that you received.

## Notes to the sender
note-pin-subject = PIN for { $recipient }
note-pin-title = Please tell { $recipient } this PIN
note-pin-text = You sent an encrypted message to { $recipient }. A temporary mailbox was made, and an invitation with a link is on its way. It opens only with this PIN:
note-pin-how = Pass the PIN on by another way: in person, by phone, text message or letter. Not by email: whoever reads the invitation would have both.
note-pin-again = You find the PIN again in the header { $header } of the message in your Sent folder.
note-pin-until = The invitation works until { $until }. You are told when the mailbox is opened.
note-no-pin-set-subject = Encrypted message to { $recipient } without a PIN
note-no-pin-set-title = { $recipient } needs no PIN
note-no-pin-set-text = You sent an encrypted message to { $recipient }. A temporary mailbox was made, and an invitation with a link is on its way. It has no PIN: whoever reads that mail first can open the mailbox.
note-resent-subject = Invitation to { $recipient } sent again
note-resent-title = The invitation went out again
note-resent-text = You sent another encrypted message to { $recipient }, who has not opened the temporary mailbox yet. All messages are in it. The same link was sent again, and the same PIN opens it:
note-resent-no-pin-text = You sent another encrypted message to { $recipient }, who has not opened the temporary mailbox yet. All messages are in it. The same link was sent again. It needs no PIN: whoever reads that mail first can open the mailbox.
note-renewed-subject = New invitation to { $recipient }
note-renewed-text = A new invitation to { $recipient } is on its way. The link and the PIN from before open nothing any more; the messages in the mailbox stay. It opens only with this PIN:
note-renewed-no-pin-title = { $recipient } needs no PIN
note-renewed-no-pin-text = A new invitation to { $recipient } is on its way. The link from before opens nothing any more; the messages in the mailbox stay. It has no PIN: whoever reads that mail first can open the mailbox.
note-pin-ignored = The PIN in your message was not used: the mailbox had one already, and it stays.
note-pin-unused-subject = PIN for { $recipient } was not used
note-pin-unused-title = Your PIN was not used
note-pin-unused = You chose a PIN in your message to { $recipient }. It was not used: their mailbox is open already, with a password of their own. Your message is in it.
note-opened-subject = { $recipient } has opened the mailbox
note-opened-title = { $recipient } has opened the mailbox
note-opened-text = The temporary mailbox of { $recipient } was opened on { $date }, with the link and the PIN, and a password was chosen. From now on your encrypted messages to { $recipient } go there.
note-opened-text-no-pin = The temporary mailbox of { $recipient } was opened on { $date } with the link alone, and a password was chosen. From now on your encrypted messages to { $recipient } go there.
note-opened-doubt = If { $recipient } tells you that it was somebody else, send nothing confidential there and tell your administrator.
note-wrong-subject = Wrong PINs for { $recipient }
note-wrong-title = The PIN for { $recipient } was wrong { $tries } times
note-wrong-text = Somebody with the link tried to open the temporary mailbox of { $recipient } and entered a wrong PIN { $tries } times. { $left ->
    [one] One try is left.
   *[other] { $left } tries are left.
}
note-wrong-do = Ask { $recipient } by phone whether it was them, and tell them the PIN once more. If it was somebody else, their mail is being read by others.
note-dead-subject = Invitation to { $recipient } is closed
note-dead-title = The invitation to { $recipient } is closed
note-dead-text = The PIN was wrong { $tries } times. To protect your message, the link no longer opens it.
note-dead-do = Ask { $recipient } by phone whether it was them. For a new link and a new PIN, send a message with “{ $renew }” in its subject.
note-asked-subject = { $recipient } needs the PIN
note-asked-title = { $recipient } needs the PIN
note-asked-text = { $recipient } has the link to your encrypted message, but not the PIN, and asks you for it. Tell it in person, by phone, text message or letter, not by email.
note-asked-care = The request came from a page that everybody with the link can use. Call a number that you already know.
note-unopened-subject = { $recipient } has not opened the mailbox yet
note-unopened-title = { $recipient } has not opened the mailbox yet
note-unopened-text = Your encrypted message to { $recipient } is in a temporary mailbox that { $inviter } caused on { $date }. It has not been opened yet. { $recipient } is told by mail that your message waits there.
note-unopened-pin = The link and the PIN came from { $inviter }. If { $recipient } asks you for the PIN, { $inviter } has it.
note-unreachable-subject = Invitation to { $recipient } was not delivered
note-unreachable-title = The invitation to { $recipient } came back
note-unreachable-text = The mail with the link could not be delivered: the address seems to be wrong. Your message was not read by anybody and was not sent in another way.
note-unreachable-do = Check the address. For another address, send the message again. If this one is right after all, send a message with “{ $renew }” in its subject: a new link goes out. Otherwise the mailbox and your message in it are deleted in 7 days.
note-undelivered-subject = Mail to { $recipient } was not delivered
note-undelivered-title = { $recipient } was not told of your message
note-undelivered-text = The mail that tells { $recipient } of your message could not be delivered. Your message is in the temporary mailbox, and was not sent in another way.
note-undelivered-opened = { $recipient } finds your message when signing in. Tell them by phone.
note-undelivered-do = For another try, send a message with “{ $renew }” in its subject: a new link goes out.
note-not-told-subject = { $recipient } is not told by mail
note-not-told-title = { $recipient } is not told of your message by mail
note-not-told-text = Your message is in the temporary mailbox of { $recipient }. The last mails that told them of new messages came back, so none was sent for this one.
note-not-told-do = Tell them by phone. Once they have signed in, they are told by mail again.
note-not-repeated-subject = The link to { $recipient } was not sent once more
note-not-repeated-title = The link was not sent once more
note-not-repeated-text = Your message is in the temporary mailbox of { $recipient }, which has not been opened yet. The link has gone out as often as it may in 24 hours, so it was not sent again.
note-lost-subject = A new mailbox for { $recipient }?
note-lost-title = Nothing was sent yet
note-lost-opened = You asked for a new temporary mailbox for { $recipient }. They have one, opened on { $opened }, with { $messages ->
    [one] one message
   *[other] { $messages } messages
}.
note-lost-unopened = You asked for a new temporary mailbox for { $recipient }. They have one that nobody has opened, with { $messages ->
    [one] one message
   *[other] { $messages } messages
}. For another link to it, whoever invited them sends a message with “{ $renew }” in its subject; then nothing is lost.
note-lost-what = The messages do not move into the new mailbox. The present one still opens as it did before, until it closes; whoever has forgotten the password cannot read them any more.
note-lost-told = The recipient and everybody of your organisation who wrote to them are told that you asked for it.
note-lost-do = To make it all the same, send your message once more within 24 hours, with “{ $new }” in its subject. Call { $recipient } first, on a number that you already know: somebody else may want to take their place.
note-anew-subject = { $recipient } has a new mailbox
note-anew-title = { $recipient } has a new mailbox
note-anew-text = On { $date }, { $by } made a new temporary mailbox for { $recipient }. Your encrypted messages go there from now on. Those from before stay in the former one.
note-anew-doubt = If { $recipient } did not want that, tell { $by } and your administrator.
note-late-subject = Invitation to { $recipient } is delayed
note-late-title = The invitation to { $recipient } is delayed
note-late-text = The mail with the link could not be handed over yet. It is still tried until { $until }. Your message is not sent in another way.
note-never-subject = { $recipient } never opened the mailbox
note-never-title = { $recipient } never opened the mailbox
note-never-text = Your encrypted message to { $recipient } was not read by anybody. Its temporary mailbox was never opened and closed on { $closed }. The link no longer works. On { $goes } the mailbox is deleted with all its messages.
note-never-do = If { $recipient } should still read it, send the message again: a new mailbox is made, with a new invitation. Until { $goes } your administrator can also open the old one again.
note-recovery-subject = Who can open your mailbox
note-recovery-title = Who can open your mailbox
note-recovery-on-text = Your organisation has switched on a recovery certificate. From your next sign-in on, whoever holds its secret key can open your mailbox { $recipient } together with an administrator of this server, also without your password.
note-recovery-changed-text = Your organisation has changed its recovery certificate. From your next sign-in on, whoever holds the secret key of the new one can open your mailbox { $recipient } together with an administrator of this server, also without your password. The former one ends then.
note-recovery-off-text = Your organisation has switched off its recovery certificate. From now on your mailbox { $recipient } opens with your password only. Anyone who forgets it has lost what it opened.
note-recovery-what = The certificate has the fingerprint { $fingerprint }. Temporary mailboxes of people outside are never opened by it.
note-reason = The other server says: { $reason }

## Alarms to the postmaster
alarm-clock-subject = Please check the clock of { $host }
alarm-clock-title = Closing and deleting of mailboxes stands still
alarm-clock-backward = The server { $host } started at { $at } by its clock. That is { $span } before the time that it had noted last.
alarm-clock-forward = The server { $host } started at { $at } by its clock. That is { $span } after the time that it had noted last.
alarm-clock-jump = While the server { $host } was running, its clock went { $span } apart from the time that has really passed. It showed { $at } then.
alarm-clock-still = Until you say that the clock is right, no temporary mailbox is warned, closed or deleted. Mail goes on as usual; what was waiting to be sent is still tried and does not come back for its age.
alarm-clock-do = Check date and time of the machine, and set them right if they are wrong. Then run this on it:
alarm-clock-after = It shows the clocks and asks before it does anything. After that, warnings that are missing go out first; nothing closes before its recipient had three days to act.
alarm-clock-days = { $n ->
    [one] { $n } day
   *[other] { $n } days
}
alarm-clock-hours = { $n ->
    [one] { $n } hour
   *[other] { $n } hours
}
alarm-clock-minutes = { $n ->
    [one] { $n } minute
   *[other] { $n } minutes
}
alarm-daily = As long as this lasts, you are told once a day.
alarm-dane-subject = { $server } cannot check DANE
alarm-dane-title = This server cannot check DANE
alarm-dane-text = The TLS policy of mail to { $destination } asks for DANE. DANE needs DNSSEC, and at the moment nothing validates DNSSEC for { $server }.
alarm-dane-what = The mail waits, and nothing of it was sent. It is tried again by itself, and goes back to its sender when its time is over.
alarm-dane-do = Look at the resolver of this machine and at [dns] in guard.toml. This says who validates:
alarm-stored-subject = { $host } shows another certificate
alarm-stored-title = A certificate is not the stored one
alarm-stored-text = Mail to { $destination } goes only to a server with the certificate that is stored for it. { $host } shows another one. That can be a new certificate, or somebody in between.
alarm-stored-expected = Stored, SHA-256:
alarm-stored-seen = Shown, SHA-256:
alarm-stored-waits = Nothing was sent there. Mail from a secure alias went back to its sender, other mail waits and is tried again.
alarm-stored-do = Ask whoever runs { $destination }, by another way than mail, whether the new fingerprint is theirs. If it is, store it:
alarm-plain-subject = { $host } offers no encryption any more
alarm-plain-title = A server with a stored certificate offers no encryption
alarm-plain-text = Mail to { $destination } goes only to a server with the certificate that is stored for it. { $host } offers no encryption at all. That can be a mistake there, or somebody in between.
alarm-plain-do = Ask whoever runs { $destination }, by another way than mail.
alarm-key-subject = { $host } does not hold the key of its certificate
alarm-key-title = A server shows a stored certificate without its key
alarm-key-text = Mail to { $destination } goes only to a server with the certificate that is stored for it. { $host } shows that certificate, but could not prove that it holds its key. That can be somebody in between.
alarm-rotated-subject = { $host } shows its next certificate
alarm-rotated-title = A server has changed to its next stored certificate
alarm-rotated-text = Two certificates are stored for { $destination }. { $host } now shows the later one; mail goes on as before.
alarm-rotated-was = Before, SHA-256:
alarm-rotated-now = Now, SHA-256:
alarm-rotated-room = Before its next change, make room for a third one, once all servers of { $destination } show the later one.
alarm-rotated-do = Remove what is stored:
alarm-rotated-then = Then store what is shown now, and compare its fingerprint with the one above:
alarm-ends-subject = The certificate stored for { $destination } ends on { $ends }
alarm-ends-title = A stored certificate ends on { $ends }
alarm-ends-text = Mail to { $destination } goes only to a server with the certificate that is stored for it, and that certificate ends on { $ends }.
alarm-ends-which = Stored, SHA-256:
alarm-ends-then = Its servers will show another one before that, and mail to them will wait until that one is stored here. Two can be stored at a time.
alarm-ends-do = Ask whoever runs { $destination } for the fingerprint of the next one, by another way than mail. When it is in use, store it:

## Reports about ordinary mail
report-bounce-subject = { $n ->
    [one] Not delivered: your message to { $recipient }
   *[other] Not delivered: your message to { $n } recipients
}
report-bounce-title = Your message was not delivered
report-bounce-text = { $n ->
    [one] Your message of { $date } could not be delivered to this recipient:
   *[other] Your message of { $date } could not be delivered to these { $n } recipients:
}
report-subject = Its subject: { $subject }
report-more = { $more ->
    [one] And one more recipient, who is named in the attached report.
   *[other] And { $more } more recipients, who are named in the attached report.
}
report-bounce-final = It is not tried again.
report-bounce-do = Check the address, or choose another way. Your message is in your Sent folder.
report-bounce-secure = Nothing was sent unencrypted.
report-policy-level = TLS policy: { $level }
report-policy-unknown = The DANE records of { $host } could not be looked up safely.
report-policy-no-encryption = { $host } offers no encryption.
report-policy-no-encryption-dane = { $host } offers no encryption, although its DANE record says that it must.
report-policy-no-encryption-sts = { $host } offers no encryption, although the MTA-STS policy of { $destination } says that it must.
report-policy-not-in-policy = { $host } is not one of the hosts that the MTA-STS policy of { $destination } names.
report-policy-sts-mismatch = The certificate of { $host } is not valid for its name, as the MTA-STS policy of { $destination } wants it. Found: SHA-256 { $seen }.
report-policy-no-encryption-stored = { $host } offers no encryption, although a certificate is stored for it.
report-policy-handshake = No encrypted connection to { $host } could be made.
report-policy-dane-mismatch = The certificate of { $host } does not match its DANE record. Found: SHA-256 { $seen }.
report-policy-foreign-key = { $host } shows a certificate, but does not hold its key.
report-policy-no-dane = { $host } publishes no DANE record that could be used.
report-policy-not-validated = This server cannot check DANE at the moment.
report-policy-nothing-stored = No certificate is stored for { $destination }.
report-policy-stored-mismatch = The certificate of { $host } is not the stored one. Expected: SHA-256 { $expected }. Found: SHA-256 { $seen }.
report-policy-do = What you can do now: send it again from your normal address, with { $tags } in the subject. Then a link goes by ordinary mail, and the content stays here until its recipient fetches it encrypted. Or choose another way. Your message is in your Sent folder.
report-policy-do-other = What you can do now: choose another way to send it. Your message is in your Sent folder.
report-delay-subject = { $n ->
    [one] Delayed: your message to { $recipient }
   *[other] Delayed: your message to { $n } recipients
}
report-delay-title = Your message is delayed
report-delay-text = { $n ->
    [one] Your message of { $date } has not been delivered to this recipient yet:
   *[other] Your message of { $date } has not been delivered to these { $n } recipients yet:
}
report-delay-more = It is tried again until { $until }. You need not send it again.
report-success-subject = { $n ->
    [one] Delivered: your message to { $recipient }
   *[other] Delivered: your message to { $n } recipients
}
report-success-title = Your message was handed over
report-success-text = { $n ->
    [one] Your message of { $date } was handed over to the server of this recipient:
   *[other] Your message of { $date } was handed over to the servers of these { $n } recipients:
}
report-success-more = What happens behind that server is not known here: it reports no further.
report-delivered-title = Your message was delivered
report-delivered-text = { $n ->
    [one] Your message of { $date } was delivered to this recipient:
   *[other] Your message of { $date } was delivered to these { $n } recipients:
}
report-delivered-more = This does not say that anybody has read it.
report-way-account = It is in the mailbox of this address on this server.
report-way-temporary-mailbox = It is in the temporary mailbox of this address on this server, encrypted. A link or a notice tells the recipient of it by mail. If that mail does not go out or comes back, you are told.
report-way-plain = It was not encrypted on its way to { $host }.
report-way-encrypted = It was encrypted on its way to { $host }. Nothing proves whose server that is.
report-way-dane = It was encrypted on its way to { $host }, whose certificate matches its DANE record.
report-way-sts = It was encrypted on its way to { $host }, whose certificate a known authority vouches for, as the MTA-STS policy of { $destination } asks.
report-way-stored = It was encrypted on its way to { $host }, whose certificate is the one stored for it.
report-way-dane-and-stored = It was encrypted on its way to { $host }, whose certificate matches its DANE record and is the one stored for it.
report-attached = The headers of your message are attached. Its text is not.
refused-subject = Not accepted: mail to { $alias } without encryption
refused-title = Mail to your secure alias was not accepted
refused-text = { $n ->
    [one] Somebody tried once to send mail to { $alias } over a connection without encryption. Your secure alias takes mail over encrypted connections only, so nothing was taken. The sender was told at once that it was not delivered.
   *[other] Others tried { $n } times to send mail to { $alias } over connections without encryption. Your secure alias takes mail over encrypted connections only, so nothing was taken. The senders were told at once that it was not delivered.
}
refused-null-sender = a mail system (empty sender)
refused-host = Server: { $host }
refused-once = once, on { $first }
refused-often = { $n } times, from { $first } to { $last }
refused-more = There were { $more } more attempts, of other senders or servers.
refused-claimed = Sender and server are what the other side claimed. Anybody can claim anything there.
refused-do = If you expect this mail: give the sender your normal address, or ask them to have encryption (TLS) switched on by whoever runs their mail server.
report-alias-policy = It came from your secure alias. TLS policy: { $level }
note-alias-do = If the link may go by ordinary mail, send a message with “{ $secure }” in its subject from your normal address { $address }.
