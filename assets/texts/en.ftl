### The portal: English.
### One flat list of ids. Values hold no HTML; templates escape every value.
### Variables: $brand $domain $host $sender $sender_address $recipient $to $date $until $days
###            $left $max $min $minutes $n $unread $page $pages $name $size $limit $from_host
###            $own_fingerprint $reference

## Every page
language-other = Deutsch
skip = Skip to content
error-prefix = Error:
error-summary = Please check this
footer-owner = This page is run by { $brand }.
footer-host = Your browser’s address bar must show:
help-link = Who is this from? Is this safe?
back-to-inbox = Back to the inbox
what-now = What you can do

## Navigation in an open mailbox
nav-label = Mailbox
nav-inbox = Inbox
nav-sent = Sent
nav-key = Key
nav-export = Export
sign-out = Sign out

## First use
first-title = First use of your secure mailbox
first-lead = { $brand } keeps a confidential message for you. Choose a password to open your temporary mailbox.
first-warning-title = Nobody can recover this password.
first-warning = It cannot be reset or changed later, not by us either. If you forget it, everything encrypted with it is lost. Write it down and keep it safe.
token-label = Access code
token-hint = It is in the mail with the link, in groups of four characters. Copy it and paste it here.
token-filled = Access code: taken from your mail
token-error = This access code does not belong to this page. Copy it from the mail once more, or open the link in the mail.
pin-label = PIN
pin-intro = The sender has set a PIN for this mailbox and gives it to you directly: in person, by phone, text message or letter. We never send it by email.
pin-missing = Enter the PIN that the sender gave you.
pin-wrong = This PIN is wrong. { $left ->
    [one] You have 1 try left.
   *[other] You have { $left } tries left.
}
pin-wrong-explain = Nothing has been set up. After { $max } wrong PINs the invitation is closed and the sender has to send a new one. If you are not sure, ask the sender first.
password-new-label = New password
password-new-hint = At least { $min } characters; several words are good. Use it only here: never the password of your email account.
password-suggest = Suggest a password
password-suggest-text = Made for you just now. If you like it, copy or type it into both fields:
password-short = The password needs at least { $min } characters.
password-confirm-label = Confirm new password
password-mismatch = The two passwords are not the same. Type both again.
password-again = For your safety both password fields are empty. Please type them again.
pin-not-spent = Your PIN has not been checked; no try was used.
understood-label = I have noted my password. I know that nobody can recover it.
understood-missing = Please confirm that you have noted your password.
first-submit = Open mailbox
cancel = Cancel
first-told = The sender is told that you have opened the mailbox. Opening this page alone changes nothing and tells nobody.
no-pin-title = I have no PIN
no-pin-text = Call the sender on a number that you already know. Or press the button: we mail the sender that you need the PIN. We cannot tell it to you ourselves.
no-pin-button = Tell the sender
no-pin-sent-title = The sender has been told
no-pin-sent-text = We have mailed the sender that you need the PIN. The sender can give it to you by phone, text message or letter. Your link keeps working until then.
cancelled-title = Nothing was set up
cancelled-text = You have cancelled. No password was stored, and the link in your mail still works. You can close this page.

## An invitation that does not open
dead-title = This invitation is closed
dead-text = The PIN was wrong { $max } times. To protect the message, this link no longer opens it. The sender has been told.
dead-do = Ask the sender for a new invitation, on a phone number or address that you already know.
dead-not-you = If you did not enter these PINs, tell the sender: somebody else has your link.
expired-title = This mailbox has expired
expired-text = It expired on { $date }: nothing had happened in it for { $days } days. Its link and its password open it no longer, and its messages are about to be deleted for good.
expired-do = Ask the sender to send the message again. You will then get a new mail with a new link.
expired-soon = Do you need what was in it? Tell { $brand } at once: for a few days it can still be opened again.
used-title = This mailbox is already set up
used-text = The link in your mail sets the password once. That has been done on { $date }. Now you sign in with your address and your password.
used-not-you-title = You never chose a password here?
used-not-you = Then somebody else has used your link. Tell the sender at once, by phone.
superseded-title = There is a newer invitation
superseded-text = A newer invitation was sent to you. Only that one works.
superseded-do = Look for the newest mail from { $brand }, also in your spam folder.

## Sign in and out
signin-title = Sign in
signin-lead = Your temporary mailbox at { $brand }
address-label = Address
address-hint = The email address to which our mail came.
password-label = Password
signin-submit = Sign in
signin-failed = Address and password do not fit together. Check both; capital letters matter.
signin-locked-title = Too many attempts
signin-locked = To stop guessing, signing in is paused. Try again in { $minutes ->
    [one] one minute.
   *[other] { $minutes } minutes.
}
signin-locked-more = Nothing was deleted because of this. This page is the same for every address.
forgotten-title = I have forgotten my password
forgotten-text = It cannot be reset: a reset could be misused by others, and we do not have your key. Ask a sender at { $brand } for a new invitation. You then get a new, empty mailbox. The old messages stay locked and are deleted later.
signed-out-title = You are signed out
signed-out-text = This session has ended, and its key has been wiped from our server’s memory. Other browsers and mail programs stay signed in. If this is not your own device, close the browser window too.
signin-again = Sign in again
ended-title = You were signed out
ended-text = That happens after { $minutes } minutes without activity, after 8 hours at the latest, or when the session was ended elsewhere or our server was restarted.
ended-reply = Your text is not lost. Sign in, and you can send it.
ended-files = Files have to be chosen again.
ended-undone = What you asked for just now was not done. Sign in and do it again.

## List of messages
inbox-title = Inbox
sent-title = Sent
inbox-count = { $n ->
    [0] No messages
    [one] 1 message
   *[other] { $n } messages
}
inbox-unread = { $unread ->
    [one] 1 unread
   *[other] { $unread } unread
}
unread = New
attachments-count = { $n ->
    [one] 1 attachment
   *[other] { $n } attachments
}
inbox-empty = There is no message here.
inbox-empty-more = When somebody at { $brand } writes to you, you get a mail at { $recipient }.
sent-empty = You have not sent anything yet.
sent-empty-more = To write to a sender, open a message in the inbox and choose “Reply”. A copy of what you send is then kept here.
opened-title = Your mailbox is open
opened-text = Next time, sign in with { $recipient } and your password. The link in the mail has done its work; keep this address instead:
opened-save-title = Save what you must not lose
opened-save-text = Nobody can recover your password. Messages that you have saved on a device of your own stay readable without it. You can do that at any time, also later.
opened-save-all = Save all messages
opened-save-key = Save the key, if you use OpenPGP
keep-until = This mailbox closes on { $until } if nobody signs in, replies or writes to it until then. Each of these starts the { $days } days again.
answered = Answered
search-title = Search
search-where = Every word is looked for in subject, names and addresses, names of files and text of all messages, received and sent. Capital letters and accents do not matter.
search-found = { $n ->
    [0] No message found
    [one] 1 message found
   *[other] { $n } messages found
}
search-all = { $n ->
    [one] The 1 message here was searched.
   *[other] All { $n } messages were searched.
}
search-looked = { $n ->
    [one] 1 message was looked at.
   *[other] { $n } messages were looked at.
}
search-stopped = Not everything was searched: the time was up after { $n } of { $all } messages, the newest first. To search in all of them, save everything under “Export” and search there.
search-cut = { $n ->
    [one] 1 message is very long: only the first part of it was searched.
   *[other] { $n } messages are very long: only the first part of each was searched.
}
search-unreadable = { $n ->
    [one] 1 message cannot be read and was not searched.
   *[other] { $n } messages cannot be read and were not searched.
}
search-more = These are the newest { $most } of them. More words make it fewer.
search-empty = Type at least one word.
search-nothing = Try fewer words, another spelling, or the beginning of a word.
search-long = That is too long to look for. { $most } characters are the most.
search-label = Search in these messages
search-button = Search
older = Older messages
newer = Newer messages
page-of = Page { $page } of { $pages }
list-to = To { $to }

## A message
message-from = From
message-to = To
message-date = Date
message-expires = Valid until
message-expires-by = { $until }, says the sender. It stays here after that.
security-title = Security
sig-valid = Signed. The signature of { $sender_address } is valid.
sig-none = Not signed. It was sent from the account { $sender_address } on the server of { $brand }.
sig-bad = The signature does not match. The message may have been changed. Ask the sender before you rely on it.
sig-put = A mail program has put this message here. Nothing proves who wrote it.
sig-own = You wrote this message here. It was encrypted for everybody it went to.
sig-notice = This is a notice by the server of { $brand }.
sig-account = It was sent from the account { $sender_address } on the server of { $brand }.
sig-unchecked = Signed, but the signature could not be checked here: the key is not known. It was sent from the account { $sender_address } on the server of { $brand }.
message-cut = This message is too long to be shown whole. What you see is its beginning; save it as a file to read all of it.
html-as-text = This message is built in a way that is not shown here. You see its text alone; save it as a file to open it with a mail program.
stored-line = Stored with keys that the server does not hold between your visits.
blocked-title = Pictures from other servers were not loaded
blocked-text = { $n ->
    [one] This message refers to 1 picture on { $from_host }. Loading it would tell that server that you are reading now.
   *[other] This message refers to { $n } pictures on { $from_host }. Loading them would tell that server that you are reading now.
}
leads-to = leads to
quoted-text = Quoted text
body-title = Message
body-open = Show the message on its own page
attachments-title = Attachments
download = Download
download-care = Open files only if you expected them.
reply = Reply
print = Print view
save-eml = Save as file (.eml)
original = Original message
damaged-title = This message is damaged
damaged-text = It no longer is what was stored: it was changed or is incomplete. We show nothing of it.
damaged-do = Ask the sender to send it again, and tell { $brand } about it.
unreadable-title = This message cannot be read at the moment
unreadable-text = The server’s disk does not give it out. The fault is on our side, and the message is not lost. Please try again in a few minutes.

## Reply
reply-title = Reply
reply-to = To
reply-to-sender = { $sender } only
reply-to-all = Everyone at { $brand } in this message
subject-label = Subject
body-label = Message
attachment-label = Attachments
attachment-hint = You can choose several files, together up to { $limit }.
reply-encrypted = Your reply is encrypted before it is stored. A copy is kept in Sent.
send = Send
reply-empty = Write a message.
reply-too-long = The text is too long for one message. Put it into a file and send that along.
reply-text-kept = Your text is still here.
reply-kept = You typed this here before. It has not been sent yet.
reply-elsewhere = This reply belongs to another mailbox and was not sent. Sign in with the address of that mailbox.
reply-under-way = On its way:
reply-arrived = Everything has arrived; your reply is being encrypted and stored.
files-sum = Together { $size }
files-large = These files are too large to be sent. All files together may be up to { $limit }.
reply-too-big = With “{ $name }” the files are too large. All files together may be up to { $limit }.
reply-files-again = Please choose the files again.
sent-ok-title = Your reply was sent
sent-ok-text = To { $to }, on { $date }. It was encrypted, and a copy is in Sent.
sent-ok-show = Show the sent message
timeout-note = Without activity you are signed out after { $minutes } minutes. Leave this page open, and you can still send your text after that.

## Key
key-title = Your key
key-lead = You need this page only if you use OpenPGP yourself. Otherwise leave everything as it is.
key-own-title = The key of this mailbox
key-former-title = The key from before
key-former-text = It opens what was stored before you chose your password. The file holds both keys.
key-fingerprint = Fingerprint
key-created = Created
key-download-title = Download the key
key-download-text = You get a file for your mail program. Its secret part is locked with a passphrase of its own, which we show once and do not keep.
key-password-hint = The password of this mailbox, once more: whoever finds your browser open does not get the key.
key-download-next = Continue to the download
key-download-button = Download key (.asc)
key-file-title = Your passphrase for the key
key-file-text = This passphrase locks the file. Write it down or copy it now: we show it this once and do not keep it. It is not the password of your mailbox.
key-file-next = Then download the file. That works once, within { $minutes } minutes.
key-file-done = Back to your key
key-file-warning-title = Nobody can take this file back.
key-file-warning = Whoever has the file and the passphrase can open what is stored for you here, now and later. Keep the two apart.
key-file-gone-title = This download is used up
key-file-gone = The file can be fetched once, within ten minutes after you gave your password. Nothing happened. If you still need it, start again: you get a new passphrase.
key-again = Start again
key-use-title = What to do with it
key-use-what = Messages that you read, save or export here are open already; you need no key for them. The key opens the encrypted form in which they are stored, and what somebody encrypts to it for you.
key-use-thunderbird = Thunderbird: in the account settings choose “End-to-End Encryption”, then “Add Key”, “Import an existing OpenPGP Key”, the file, and type the passphrase.
key-use-gnupg = GnuPG asks for the passphrase after this command:
key-public-link = Public part only
key-password-wrong = The password is wrong.
key-upload-title = Use a key of your own
key-upload-text = Upload the public part of your own OpenPGP key. Never upload a secret key.
key-upload-label = Your public key
key-upload-hint = A file ending in .asc, .pgp or .gpg, up to { $limit }.
key-upload-button = Upload key
key-upload-bad = This file holds no OpenPGP public key that can be used for { $recipient }. A secret key is not taken.
key-direct-title = Send to my address directly from now on
key-direct-text = New messages then come encrypted to { $recipient }, no longer to this mailbox. First we send a test message: you show that you can read it.
key-direct-which = Encrypt to
key-direct-mailbox-key = The key of this mailbox
key-direct-own-key = My own key { $own_fingerprint }
key-direct-button = Send test message
key-test-title = Open the test message
key-test-text = We have sent an encrypted test message to { $recipient }. Open it in your mail program and enter the code in it. Nothing changes before that.
key-test-label = Code from the test message
key-test-button = Confirm and send directly
key-test-wrong = This is not the code from the newest test message.
key-test-spent = The code was wrong too often. Nothing was changed. Send a new test message.
key-direct-no-own = Upload your own key first. One from before is forgotten when you sign out.
key-direct-not-here = Nothing was changed: this address has a newer mailbox, or a key is on file for it already. If that surprises you, tell { $brand }.
key-direct-often = No more test messages are sent now: the last one is still on its way, or there have been enough for today. Please try again later.
key-direct-off = New messages come into this mailbox again.
key-direct-care = Messages then lie with your mail provider, encrypted. Anyone who has no mail program for OpenPGP at hand cannot read them.
key-direct-on-title = Messages come directly to your address
key-direct-on-text = Since { $date } new messages are sent encrypted to { $recipient }. What was in this mailbox before stays readable here until the mailbox is deleted.
key-undo-button = Undo: use this mailbox again

## Export
export-title = Take everything with you
export-text = One zip file with all messages of this mailbox, received and sent, each as an .eml file that mail programs can open.
export-empty = There is no message here yet, so there is nothing to save. Come back when you have received one.
export-size = { $n ->
    [one] 1 message
   *[other] { $n } messages
}, about { $size }
export-warning-title = The file is not encrypted.
export-warning = Whoever gets it can read everything. Save it only on a device that you trust.
export-button = Download everything (.zip)
export-total = Together
export-long = Over a line with 10{"\u00A0"}Mbit/s this takes about { $minutes ->
    [one] one minute
   *[other] { $minutes } minutes
}. Your browser shows how far it is.
export-stay = The download ends when you sign out. What arrives after it has begun is not in it.
export-under-way = On its way:
export-done = Everything was sent to your browser.
export-going-title = An export is under way
export-going = For this mailbox everything is being downloaded at this moment. Wait until that has ended, or stop it in your browser; a moment later you can begin again.
export-back = Back to the export
export-file-name = mailbox-{ $date }.zip
export-report-name = Read me.txt
export-report = Messages of the mailbox of { $recipient } at { $brand }, taken along on { $date }. Times are in UTC. The empty lines at the end only fill the file up.
export-report-whole = Every message could be read. All of them are here.
export-report-missing = These messages were damaged, or removed while the file was made. They are not here. Ask the sender to send them again:
export-report-unreadable = These messages could not be read this time. They are not here, and they are not lost. Save everything again later:

## Sessions
sessions-link = Where you are signed in
sessions-title = Where you are signed in
sessions-text = Everything that has this mailbox open now. A browser is signed out after { $minutes } minutes without activity, and after 8 hours at the latest.
sessions-ended = You are signed out there now. The key for it has been wiped from our server’s memory.
session-own = This one
session-since = Signed in since { $since }
session-used = Last used { $used }
session-agent = { $browser } on { $system }
session-agent-system = A browser on { $system }
session-agent-unknown = A browser that does not say which
session-program = Mail program (IMAP)
session-program-hint = A mail program signs in again by itself as long as it knows your password. Remove the account there.
session-end = Sign out
sessions-end-others = Sign out everywhere else
sessions-alone = Nothing else has this mailbox open.
sessions-stranger = You do not know one of them? Then somebody has your password, which cannot be changed. Save what you need under “Export”, and ask a sender for a new mailbox.

## Deleted mailbox, errors
deleted-title = This mailbox was deleted
deleted-text = It was deleted on { $date }. The key was destroyed first: nobody can open the messages on this server any more.
deleted-do = If you still need something, ask the sender to send it again. You then get a new invitation.
error-title = That did not work
error-text = The fault is on our side, not yours. Please try again in a few minutes. If you were sending a reply, look in Sent first: it may have gone out.
error-reference = If it happens again, tell { $brand } this number: { $reference }
notfound-title = There is nothing here
notfound-text = The address is mistyped, or what you look for is no longer there.

## Help
help-title = Who is this from? Is this safe?
help-lead = You are right to ask. Here is what you can check, and what is true.
help-who-title = Who runs this page
help-who = { $brand }, on its own server. The mail and this page both belong to { $domain }. In the address bar of your browser you must see exactly:
help-check-title = How to be sure
help-check-call = Call the person who wrote to you, on a number that you already know. Do not take the number from the mail.
help-check-bar = Compare the address bar with the line above, letter by letter.
help-check-never = We never ask for the password of your email account, for bank details or for money.
help-check-hurry = There is no hurry. The link works for { $days } days. Nothing is lost if you ask first.
help-mail-title = What is in the mail
help-mail = The sender’s name and address, a link, and perhaps a note from the sender. Not the message, not the PIN. Whoever else reads that mail has the link, too. With a PIN the link alone opens nothing; without a PIN, whoever uses it first sets the password.
help-read-title = Who can read your messages
help-read-stored = Your messages are stored encrypted, with keys that the server does not hold between your visits. Your password opens them. In detail, that means:
help-read-before-title = Whoever has the link, before your first visit
help-read-before = Opens the mailbox only with the PIN as well, if the sender has set one. After ten wrong PINs the link is closed. The sender keeps link and PIN, locked with the sender’s own password, to be able to send them again. After your first visit neither opens anything.
help-read-disk-title = Whoever steals a disk or a backup
help-read-disk = Sees how much is stored, but no message, no subject and no name. If the server’s own key was stolen with it: also who wrote to whom and mail that is just on its way out. Your messages then only by guessing your password.
help-read-away-title = Whoever runs the server, while you are not signed in
help-read-away = Knows who wrote to whom, when, and how large it was. Can open what is stored only by guessing your password.
help-read-here-title = Whoever runs the server, when a message arrives and while you are signed in
help-read-memory = When a message arrives and while you are signed in, it can be in the memory of our server in readable form. Whoever controls the running server at that moment could read it. This is not end-to-end encryption.
help-read-sender-title = The people who write to you
help-read-sender = See when you first opened the mailbox. Not whether or when you read a message.
help-read-others-title = Anybody else
help-read-others = Nothing from us. No page loads anything from another server, and pictures in messages that lie elsewhere stay out. Your mail provider sees the mail with the link.
help-password-title = Why the password cannot be reset
help-password = Because then somebody else could reset it, too. We do not have your password, nor a copy of your key that opens without it.
help-password-guess = The password alone protects what is stored. Several words that do not belong together are hard to guess and easy to write down.
help-delete-title = How long it is kept
help-delete = { $days } days after the last sign-in, reply or new message the mailbox closes, and a week later it is deleted. You are warned by mail at least twice before. You can save every message with its files, or everything at once, at any time.
help-delete-backup = What is deleted is gone everywhere when the last backup of the server from before is gone, too.
help-key = If you use OpenPGP yourself, you can take the key of your mailbox along, too: under “Key”, with your password. The file is locked with a passphrase of its own.
help-cookies-title = Cookies and tracking
help-cookies = One cookie while you are signed in; it goes when you sign out. One that remembers for a year that this browser signed in before, and one for the language if you choose it. No tracking, nothing from other servers, no advertising.

## Dates and sizes
month-1 = January
month-2 = February
month-3 = March
month-4 = April
month-5 = May
month-6 = June
month-7 = July
month-8 = August
month-9 = September
month-10 = October
month-11 = November
month-12 = December
date = { $day } { $month } { $year }
date-time = { $day } { $month } { $year }, { $time } UTC
size-bytes = { $n }{"\u00A0"}bytes
size-kb = { $n }{"\u00A0"}KB
size-mb = { $n }{"\u00A0"}MB

## Lists and dates in them
when-today = Today { $time }
when-this-year = { $day } { $month }
when-earlier = { $day } { $month } { $year }
month-short-1 = Jan
month-short-2 = Feb
month-short-3 = Mar
month-short-4 = Apr
month-short-5 = May
month-short-6 = Jun
month-short-7 = Jul
month-short-8 = Aug
month-short-9 = Sep
month-short-10 = Oct
month-short-11 = Nov
month-short-12 = Dec
no-subject = (no subject)
unreadable = (this message cannot be read)
cc = Cc
file-pdf = PDF document
file-document = Document ({ $ending })
file-spreadsheet = Spreadsheet ({ $ending })
file-presentation = Presentation ({ $ending })
file-text = Text
file-picture = Picture
file-sound = Sound
file-video = Video
file-archive = Archive of files ({ $ending })
file-calendar = Calendar entry
file-contact = Contact
file-message = Mail message
file-key = Key or certificate
file-signature = Signature
file-page = Web page ({ $ending })
file-macros = Office file with programs in it ({ $ending })
file-disk = Disk image ({ $ending })
file-program = Program ({ $ending })
file-other = File
file-danger-program = Programs can harm your computer. Do not open this one unless you asked for it.
file-danger-macros = It may hold programs that run when it is opened. Open it only if you asked for it.
file-danger-disk = It may hold programs. Open it only if you asked for it.
file-danger-page = It may imitate a sign-in page. Never type a password into it.
file-danger-double = The name imitates another kind of file; the last ending counts: { $ending }.
file-kind = { $kind }, { $size }

## Further reasons
password-long = The password is too long: { $most } bytes are the most.
password-character = The password has a character that cannot be typed everywhere, such as a tab. Please leave it out.
password-common = Too many people use this password. Choose one that nobody else has.
password-is-address = Your address is not a good password. Choose another one.
password-is-pin = The PIN is not a good password: the sender knows it. Choose another one.
busy-title = Too much at once
busy-text = The server has more to do than it can at this moment. Nothing happened, and no try was used. Please try again in a minute.
foreign-text = This form was not sent from our own page, so nothing was done. Open the page again and send it from there.
misdirected-text = The name in your address bar is not the name of this server. Compare it with the one below.
misdirected-do = Open the link in your mail once more, or type that name into the address bar.
body-too-large = What you sent is too large. Nothing was done.
body-cut = What you sent did not arrive whole. Nothing was done. Please try again.
body-slow = What you sent came in too slowly, so it was broken off. Nothing was done. Go back, and try again when your connection is better.
body-kind = What you sent came in a form that this page does not take. Nothing was done. Open the page again and send it from there.
reply-all-too-big = The files are too large. All files together may be up to { $limit }, and they grow by a third on their way.
reply-refused = This reply was refused, and sending it again does not help. Tell the sender by phone. The server says: “{ $why }”
reply-full = The mailbox of the receiver is full. Nothing was sent. Please tell the sender by phone.
reply-nobody = Nobody at { $brand } can be answered here any more. Nothing was sent.
reply-read-only = At this moment nothing can be sent: the server’s disk is nearly full. Please try again later.
imprint = Imprint
privacy = Privacy
contact = Contact
