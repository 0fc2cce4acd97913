### Mails: Deutsch. Reine Texte; die Vorlagen maskieren jeden Wert.

## Jede Mail
mail-footer = Gesendet von { $brand }, { $domain }. Diese Mail enthält keine Bilder und keine Zählpixel.
mail-imprint = Wer das betreibt:
mail-privacy = Was mit Ihren Daten geschieht:
mail-contact = Fragen, oder Zweifel an der Echtheit dieser Mail:
mail-no-reply = Bitte antworten Sie nicht auf diese Mail: Ihre Antwort wäre nicht verschlüsselt. Antworten können Sie im Postfach.
mail-link = Wenn der Knopf nicht funktioniert, kopieren Sie diesen Link in Ihren Browser:
mail-below = Diese Mail auf Deutsch: weiter unten.
mail-or = oder
mail-sample-subject = Muster: { $subject }

## Einladung
mail-invite-subject = Sichere Nachricht von { $sender_address }
mail-invite-title = Sie haben eine sichere { $brand } Guard E-Mail erhalten
mail-invite-who = { $who } hat Ihnen ({ $recipient }) am { $date } eine vertrauliche Nachricht geschrieben. Sie steht nicht in dieser Mail. Sie liegt verschlüsselt bei { $brand }.
mail-invite-renewed = Diese Einladung ersetzt eine frühere. Der frühere Link und die frühere PIN öffnen nichts mehr.
mail-note-intro = { $sender } schreibt dazu. Diese Notiz ist nicht verschlüsselt:
mail-invite-click = Bitte drücken Sie auf den Knopf, um sie zu lesen:
mail-invite-button = NACHRICHT LESEN
mail-invite-link-text = Um sie zu lesen, öffnen Sie diesen Link in Ihrem Browser:
mail-invite-until = Der Link gilt bis zum { $until }. Es eilt nicht.
mail-invite-code = Falls die Seite nach einem Zugangscode fragt:
mail-invite-pin-title = Sie brauchen auch eine PIN.
mail-invite-pin = { $sender } gibt sie Ihnen persönlich, per Anruf, SMS oder Brief. Wir schicken sie nie per Mail und fragen nie per Mail danach.
mail-unsure-title = Unsicher? Fragen Sie erst.
mail-unsure = Rufen Sie { $sender } unter einer Nummer an, die Sie schon kennen, nicht unter einer aus einer Mail.
mail-check-host = Der Link führt zu { $host }: Genau das muss Ihr Browser anzeigen.
mail-check-domain = { $host } gehört zu { $domain }, ebenso wie die Adresse, die Ihnen geschrieben hat.
mail-never = Auf der Seite wählen Sie ein neues Passwort. Sie fragt nie nach dem Passwort Ihres Mailkontos, nach Bankdaten oder nach Geld.

## Eine weitere Nachricht vor dem Öffnen, von jemand anderem
mail-waiting-title = Noch eine sichere Nachricht wartet auf Sie
mail-waiting-who = { $who } hat Ihnen ({ $recipient }) am { $date } eine vertrauliche Nachricht geschrieben. Sie liegt bei { $brand } in demselben temporären Postfach wie die Nachricht, die { $first_sender } Ihnen geschrieben hat.
mail-waiting-open = Um alles zu lesen, was darin liegt, öffnen Sie unsere Mail vom { $first_date }, „Sichere Nachricht von { $first_sender }“. Ihr Link öffnet das Postfach bis zum { $until }. Diese Mail enthält keinen Link, damit es nur einen gibt.
mail-waiting-lost = Haben Sie jene Mail nicht mehr? Bitten Sie { $first_sender }, die Einladung noch einmal zu schicken.

## Eine weitere Nachricht
mail-next-subject = Neue sichere Nachricht von { $sender_address }
mail-next-title = In Ihrem Postfach ist eine neue Nachricht
mail-next-who = { $who } hat Ihnen ({ $recipient }) am { $date } eine vertrauliche Nachricht geschrieben. Sie liegt in Ihrem temporären Postfach bei { $brand }.
mail-next-click = Melden Sie sich mit Adresse und Passwort an:
mail-next-button = ANMELDEN
mail-next-forgot = Passwort vergessen? Es lässt sich nicht wiederherstellen. Bitten Sie { $sender } um eine neue Einladung.
mail-unsure-genuine-title = Unsicher, ob diese Mail echt ist?
mail-unsure-genuine = Tippen Sie { $host } selbst in Ihren Browser, oder rufen Sie { $brand } unter einer Nummer an, die Sie schon kennen.

## Die Testnachricht für einen eigenen Schlüssel
mail-test-subject = Testnachricht für Ihren Schlüssel, { $brand }
mail-test-title = Ihr Schlüssel funktioniert
mail-test-what = Sie können das lesen, also öffnet Ihr Mailprogramm, was für diesen Schlüssel verschlüsselt ist. Geben Sie den Code auf der Seite ein, auf der Sie um diese Nachricht gebeten haben, bei { $host }. Von da an schickt { $brand } Nachrichten direkt an { $recipient }.
mail-test-code = Der Code:
mail-test-not-you = Wenn Sie nicht darum gebeten haben, hat jemand anderes Ihr Postfach offen. Geben Sie den Code nicht weiter, und sagen Sie es { $brand }.

## Bevor ein Postfach schließt
mail-warn-subject = Ihr Postfach bei { $brand } schließt am { $closes }
mail-warn-title = Ihr Postfach schließt am { $closes }
mail-warn-what = In Ihrem temporären Postfach bei { $brand } ({ $recipient }) ist lange nichts geschehen. Am { $closes } schließt es: Danach kann sich niemand mehr anmelden. Am { $goes } wird es mit allen Nachrichten gelöscht; danach kann sie auf diesem Server niemand mehr öffnen.
mail-warn-keep = Wenn Sie es behalten möchten, melden Sie sich einmal an: Dann beginnen die { $days } Tage neu. Für eine Kopie von allem melden Sie sich an und wählen „Export“.
mail-warn-what-new = In einem temporären Postfach bei { $brand } warten vertrauliche Nachrichten auf Sie ({ $recipient }). Niemand hat es bisher geöffnet. Am { $closes } schließt es, und am { $goes } wird es mit allen Nachrichten gelöscht; danach kann sie auf diesem Server niemand mehr öffnen.
mail-warn-open = Um sie zu lesen und zu behalten, öffnen Sie unsere Mail vom { $invited }, „Sichere Nachricht von { $inviter }“, oder ihre neueste Wiederholung. Ihr Link öffnet das Postfach bis dahin. Darin können Sie auch eine Kopie von allem sichern: Wählen Sie „Export“.
mail-warn-lost = Haben Sie jene Mail nicht mehr? Bitten Sie { $inviter }, die Einladung noch einmal zu schicken.
mail-warn-open-any = Um sie zu lesen und zu behalten, öffnen Sie unsere Mail vom { $invited }, deren Betreff mit „Sichere Nachricht von“ beginnt. Ihr Link öffnet das Postfach bis dahin. Darin können Sie auch eine Kopie von allem sichern: Wählen Sie „Export“.
mail-warn-lost-any = Haben Sie jene Mail nicht mehr? Dann bitten Sie die Person, die Ihnen bei { $brand } geschrieben hat, die Nachricht noch einmal zu schicken.
mail-warn-dead = Eine falsche PIN wurde zu oft eingegeben: Der Link in der Einladung öffnet das Postfach nicht mehr.
mail-warn-ask = Um die Nachrichten zu lesen, bitten Sie { $inviter } vor diesem Tag um eine neue Einladung.
mail-warn-ask-any = Um die Nachrichten zu lesen, bitten Sie die Person, die Ihnen bei { $brand } geschrieben hat, sie noch einmal zu schicken.
mail-warn-nothing = Wenn Sie die Nachrichten nicht brauchen, tun Sie nichts.

## Mehrere Nachrichten seit der letzten Mail
mail-several-subject = { $n ->
    [one] Eine neue sichere Nachricht
   *[other] { $n } neue sichere Nachrichten
}
mail-several-title = { $n ->
    [one] In Ihrem Postfach liegt eine neue Nachricht
   *[other] In Ihrem Postfach liegen { $n } neue Nachrichten
}
mail-several-who = { $n ->
    [one] Seit dem { $date } ist eine vertrauliche Nachricht für Sie ({ $recipient }) gekommen, von { $who }. Sie liegt in Ihrem temporären Postfach bei { $brand }.
   *[other] Seit dem { $date } sind { $n } vertrauliche Nachrichten für Sie ({ $recipient }) gekommen, von { $who }. Sie liegen in Ihrem temporären Postfach bei { $brand }.
}
mail-several-named = { $others ->
    [one] { $named } und einer weiteren Adresse
   *[other] { $named } und { $others } weiteren Adressen
}
mail-several-forgot = Passwort vergessen? Es lässt sich nicht wiederherstellen. Bitten Sie eine dieser Adressen um eine neue Einladung.
mail-several-open = Um sie zu lesen, öffnen Sie unsere Mail vom { $first_date }, „Sichere Nachricht von { $first_sender }“. Ihr Link öffnet das Postfach bis zum { $until }. Diese Mail hat keinen Link, damit es nur einen gibt.

## In ein Postfach, dessen Adresse ein neueres hat
mail-anew-subject = Sie haben seit dem { $date } ein neues Postfach
mail-anew-text = Am { $date } hat { $by } für Sie ({ $recipient }) ein neues temporäres Postfach angefordert, und eine Einladung dazu ging per Mail an Sie. Neue Nachrichten kommen dorthin.
mail-anew-here = Die Nachrichten hier bleiben, und dieses Postfach lässt sich öffnen wie bisher. Es schließt am { $until }, wenn Sie sich nicht anmelden.
mail-anew-doubt = Wollten Sie das nicht? Rufen Sie { $by } unter einer Nummer an, die Sie schon kennen.

## Jemand hat auf eine Einladung per Mail geantwortet
mail-answer-subject = Ihre Antwort wurde nicht zugestellt
mail-answer-title = Ihre Antwort wurde nicht zugestellt
mail-answer-text = Sie haben an { $address } geschrieben. Diese Adresse liest niemand: Die Mails von dort sagen nur, dass eine sichere Nachricht wartet, und eine Antwort per Mail wäre nicht verschlüsselt. Ihre Mail wurde nicht aufbewahrt.
mail-answer-portal = Zum Antworten öffnen Sie Ihr Postfach und drücken dort auf „Antworten“:
mail-answer-first = Wenn Sie das Postfach noch nicht geöffnet haben, benutzen Sie den Link in der Mail, die Sie bekommen haben.

## Mitteilungen an den Absender
note-pin-subject = PIN für { $recipient }
note-pin-title = Bitte sagen Sie { $recipient } diese PIN
note-pin-text = Sie haben { $recipient } eine verschlüsselte Nachricht geschickt. Ein temporäres Postfach ist angelegt, und eine Einladung mit einem Link ist unterwegs. Sie öffnet sich nur mit dieser PIN:
note-pin-how = Geben Sie die PIN auf einem anderen Weg weiter: persönlich, per Anruf, SMS oder Brief. Nicht per Mail: Wer die Einladung mitliest, hätte sonst beides.
note-pin-again = Sie finden die PIN wieder in der Kopfzeile { $header } der Nachricht in Ihrem Ordner „Gesendet“.
note-pin-until = Die Einladung gilt bis zum { $until }. Sie erfahren, wenn das Postfach geöffnet wird.
note-no-pin-set-subject = Verschlüsselte Nachricht an { $recipient } ohne PIN
note-no-pin-set-title = { $recipient } braucht keine PIN
note-no-pin-set-text = Sie haben { $recipient } eine verschlüsselte Nachricht geschickt. Ein temporäres Postfach ist angelegt, und eine Einladung mit einem Link ist unterwegs. Sie hat keine PIN: Wer jene Mail zuerst liest, kann das Postfach öffnen.
note-resent-subject = Einladung an { $recipient } noch einmal geschickt
note-resent-title = Die Einladung ging noch einmal hinaus
note-resent-text = Sie haben { $recipient } noch eine verschlüsselte Nachricht geschickt; das temporäre Postfach ist noch nicht geöffnet. Alle Nachrichten liegen darin. Derselbe Link ging noch einmal hinaus, und dieselbe PIN öffnet es:
note-resent-no-pin-text = Sie haben { $recipient } noch eine verschlüsselte Nachricht geschickt; das temporäre Postfach ist noch nicht geöffnet. Alle Nachrichten liegen darin. Derselbe Link ging noch einmal hinaus. Er braucht keine PIN: Wer jene Mail zuerst liest, kann das Postfach öffnen.
note-renewed-subject = Neue Einladung an { $recipient }
note-renewed-text = Eine neue Einladung an { $recipient } ist unterwegs. Der frühere Link und die frühere PIN öffnen nichts mehr; die Nachrichten im Postfach bleiben. Es öffnet sich nur mit dieser PIN:
note-renewed-no-pin-title = { $recipient } braucht keine PIN
note-renewed-no-pin-text = Eine neue Einladung an { $recipient } ist unterwegs. Der frühere Link öffnet nichts mehr; die Nachrichten im Postfach bleiben. Sie hat keine PIN: Wer jene Mail zuerst liest, kann das Postfach öffnen.
note-pin-ignored = Die PIN in Ihrer Nachricht wurde nicht benutzt: Das Postfach hatte schon eine, und sie bleibt.
note-pin-unused-subject = PIN für { $recipient } wurde nicht benutzt
note-pin-unused-title = Ihre PIN wurde nicht benutzt
note-pin-unused = Sie haben in Ihrer Nachricht an { $recipient } eine PIN gewählt. Sie wurde nicht benutzt: Das Postfach ist schon geöffnet und hat ein eigenes Passwort. Ihre Nachricht liegt darin.
note-opened-subject = { $recipient } hat das Postfach geöffnet
note-opened-title = { $recipient } hat das Postfach geöffnet
note-opened-text = Das temporäre Postfach von { $recipient } wurde am { $date } mit Link und PIN geöffnet, und ein Passwort wurde gewählt. Von jetzt an gehen Ihre verschlüsselten Nachrichten an { $recipient } dorthin.
note-opened-text-no-pin = Das temporäre Postfach von { $recipient } wurde am { $date } allein mit dem Link geöffnet, und ein Passwort wurde gewählt. Von jetzt an gehen Ihre verschlüsselten Nachrichten an { $recipient } dorthin.
note-opened-doubt = Wenn { $recipient } Ihnen sagt, dass es jemand anderes war, schicken Sie nichts Vertrauliches dorthin und sagen Sie es der Person, die bei Ihnen den Mailserver betreut.
note-wrong-subject = Falsche PINs für { $recipient }
note-wrong-title = Die PIN für { $recipient } war { $tries }-mal falsch
note-wrong-text = Jemand mit dem Link wollte das temporäre Postfach von { $recipient } öffnen und hat { $tries }-mal eine falsche PIN eingegeben. { $left ->
    [one] Ein Versuch ist noch übrig.
   *[other] { $left } Versuche sind noch übrig.
}
note-wrong-do = Fragen Sie { $recipient } am Telefon, ob das so war, und nennen Sie die PIN noch einmal. War es jemand anderes, dann liest jemand die Mails dort mit.
note-dead-subject = Einladung an { $recipient } ist geschlossen
note-dead-title = Die Einladung an { $recipient } ist geschlossen
note-dead-text = Die PIN war { $tries }-mal falsch. Zum Schutz Ihrer Nachricht öffnet der Link sie nicht mehr.
note-dead-do = Fragen Sie { $recipient } am Telefon, ob das so war. Für einen neuen Link und eine neue PIN schicken Sie eine Nachricht mit „{ $renew }“ im Betreff.
note-asked-subject = { $recipient } braucht die PIN
note-asked-title = { $recipient } braucht die PIN
note-asked-text = { $recipient } hat den Link zu Ihrer verschlüsselten Nachricht, aber nicht die PIN, und bittet Sie darum. Sagen Sie sie persönlich, per Anruf, SMS oder Brief, nicht per Mail.
note-asked-care = Die Bitte kam von einer Seite, die jeder mit dem Link benutzen kann. Rufen Sie eine Nummer an, die Sie schon kennen.
note-unopened-subject = { $recipient } hat das Postfach noch nicht geöffnet
note-unopened-title = { $recipient } hat das Postfach noch nicht geöffnet
note-unopened-text = Ihre verschlüsselte Nachricht an { $recipient } liegt in einem temporären Postfach, das am { $date } durch { $inviter } entstanden ist. Es wurde noch nicht geöffnet. { $recipient } wird per Mail darauf hingewiesen, dass Ihre Nachricht dort wartet.
note-unopened-pin = Link und PIN kamen von { $inviter }. Wenn { $recipient } Sie nach der PIN fragt: { $inviter } hat sie.
note-unreachable-subject = Einladung an { $recipient } wurde nicht zugestellt
note-unreachable-title = Die Einladung an { $recipient } kam zurück
note-unreachable-text = Die Mail mit dem Link ließ sich nicht zustellen: Die Adresse scheint falsch zu sein. Ihre Nachricht hat niemand gelesen, und sie wurde nicht auf andere Weise verschickt.
note-unreachable-do = Prüfen Sie die Adresse. Für eine andere Adresse schicken Sie die Nachricht noch einmal. Ist sie doch richtig, schicken Sie eine Nachricht mit „{ $renew }“ im Betreff: Dann geht ein neuer Link hinaus. Sonst werden das Postfach und Ihre Nachricht darin in 7 Tagen gelöscht.
note-undelivered-subject = Mail an { $recipient } wurde nicht zugestellt
note-undelivered-title = { $recipient } weiß nichts von Ihrer Nachricht
note-undelivered-text = Die Mail, die { $recipient } auf Ihre Nachricht hinweist, ließ sich nicht zustellen. Ihre Nachricht liegt im temporären Postfach; auf andere Weise wurde sie nicht verschickt.
note-undelivered-opened = { $recipient } findet Ihre Nachricht beim Anmelden. Sagen Sie am Telefon Bescheid.
note-undelivered-do = Für einen neuen Versuch schicken Sie eine Nachricht mit „{ $renew }“ im Betreff: Dann geht ein neuer Link hinaus.
note-not-told-subject = { $recipient } erfährt nichts per Mail
note-not-told-title = { $recipient } erfährt von Ihrer Nachricht nichts per Mail
note-not-told-text = Ihre Nachricht liegt im temporären Postfach von { $recipient }. Die letzten Mails, die auf neue Nachrichten hinwiesen, kamen zurück; für diese ging darum keine hinaus.
note-not-told-do = Sagen Sie am Telefon Bescheid. Nach dem nächsten Anmelden kommen die Hinweise wieder per Mail.
note-not-repeated-subject = Der Link an { $recipient } ging nicht noch einmal hinaus
note-not-repeated-title = Der Link ging nicht noch einmal hinaus
note-not-repeated-text = Ihre Nachricht liegt im temporären Postfach von { $recipient }, das noch nicht geöffnet ist. Der Link ging in den letzten 24 Stunden so oft hinaus, wie er darf; er wurde nicht noch einmal geschickt.
note-lost-subject = Ein neues Postfach für { $recipient }?
note-lost-title = Noch wurde nichts gesendet
note-lost-opened = Sie wünschen ein neues temporäres Postfach für { $recipient }. Es gibt eines, geöffnet am { $opened }, mit { $messages ->
    [one] einer Nachricht
   *[other] { $messages } Nachrichten
}.
note-lost-unopened = Sie wünschen ein neues temporäres Postfach für { $recipient }. Es gibt eines, das niemand geöffnet hat, mit { $messages ->
    [one] einer Nachricht
   *[other] { $messages } Nachrichten
}. Für einen neuen Link dorthin schickt, wer eingeladen hat, eine Nachricht mit „{ $renew }“ im Betreff; dann geht nichts verloren.
note-lost-what = Die Nachrichten ziehen nicht in das neue Postfach um. Das jetzige lässt sich weiter öffnen wie bisher, bis es schließt; wer das Passwort vergessen hat, kann sie nicht mehr lesen.
note-lost-told = Der Empfänger und alle in Ihrer Organisation, die ihm geschrieben haben, erfahren, dass Sie darum gebeten haben.
note-lost-do = Um es trotzdem anzulegen, schicken Sie Ihre Nachricht binnen 24 Stunden noch einmal, mit „{ $new }“ im Betreff. Rufen Sie vorher { $recipient } unter einer Nummer an, die Sie schon kennen: Jemand anderes könnte sich an diese Stelle setzen wollen.
note-anew-subject = { $recipient } hat ein neues Postfach
note-anew-title = { $recipient } hat ein neues Postfach
note-anew-text = Am { $date } hat { $by } für { $recipient } ein neues temporäres Postfach angelegt. Ihre verschlüsselten Nachrichten gehen von nun an dorthin. Die früheren bleiben im bisherigen.
note-anew-doubt = Wenn { $recipient } das nicht wollte, sagen Sie es { $by } und der Person, die bei Ihnen den Mailserver betreut.
note-late-subject = Einladung an { $recipient } verzögert sich
note-late-title = Die Einladung an { $recipient } verzögert sich
note-late-text = Die Mail mit dem Link konnte noch nicht übergeben werden. Wir versuchen es bis zum { $until } weiter. Ihre Nachricht wird nicht auf andere Weise verschickt.
note-never-subject = { $recipient } hat das Postfach nie geöffnet
note-never-title = { $recipient } hat das Postfach nie geöffnet
note-never-text = Ihre verschlüsselte Nachricht an { $recipient } hat niemand gelesen. Das temporäre Postfach wurde nie geöffnet und hat am { $closed } geschlossen. Der Link gilt nicht mehr. Am { $goes } wird das Postfach mit allen Nachrichten gelöscht.
note-never-do = Soll { $recipient } sie noch lesen, schicken Sie die Nachricht noch einmal: Dann entsteht ein neues Postfach mit einer neuen Einladung. Bis zum { $goes } kann, wer bei Ihnen den Mailserver betreut, auch das alte wieder öffnen.
note-recovery-subject = Wer Ihr Postfach öffnen kann
note-recovery-title = Wer Ihr Postfach öffnen kann
note-recovery-on-text = Ihre Organisation hat ein Zertifikat zur Wiederherstellung eingeschaltet. Ab Ihrer nächsten Anmeldung kann, wer dessen geheimen Schlüssel hat, zusammen mit der Verwaltung dieses Servers Ihr Postfach { $recipient } öffnen, auch ohne Ihr Passwort.
note-recovery-changed-text = Ihre Organisation hat ihr Zertifikat zur Wiederherstellung gewechselt. Ab Ihrer nächsten Anmeldung kann, wer den geheimen Schlüssel des neuen hat, zusammen mit der Verwaltung dieses Servers Ihr Postfach { $recipient } öffnen, auch ohne Ihr Passwort. Das frühere gilt dann nicht mehr.
note-recovery-off-text = Ihre Organisation hat ihr Zertifikat zur Wiederherstellung ausgeschaltet. Ab jetzt öffnet nur noch Ihr Passwort Ihr Postfach { $recipient }. Wer es vergisst, hat verloren, was es geöffnet hat.
note-recovery-what = Das Zertifikat hat den Fingerabdruck { $fingerprint }. Temporäre Postfächer von Menschen außerhalb öffnet es nie.
note-reason = Der andere Server sagt: { $reason }

## Alarme an die Postverwaltung
alarm-clock-subject = Bitte prüfen Sie die Uhr von { $host }
alarm-clock-title = Schließen und Löschen von Postfächern ruht
alarm-clock-backward = Der Server { $host } ist nach seiner Uhr am { $at } gestartet. Das ist { $span } vor der Zeit, die er zuletzt notiert hat.
alarm-clock-forward = Der Server { $host } ist nach seiner Uhr am { $at } gestartet. Das ist { $span } nach der Zeit, die er zuletzt notiert hat.
alarm-clock-jump = Während der Server { $host } lief, ist seine Uhr um { $span } von der wirklich vergangenen Zeit abgewichen. Sie zeigte dann { $at }.
alarm-clock-still = Bis Sie sagen, dass die Uhr stimmt, wird kein temporäres Postfach gewarnt, geschlossen oder gelöscht. Mail läuft weiter wie immer; was auf den Versand wartete, wird weiter versucht und kommt nicht wegen seines Alters zurück.
alarm-clock-do = Prüfen Sie Datum und Uhrzeit der Maschine und stellen Sie sie richtig, wenn sie falsch sind. Dann führen Sie dort aus:
alarm-clock-after = Der Befehl zeigt die Uhren und fragt, bevor er etwas tut. Danach gehen zuerst fehlende Warnungen hinaus; nichts schließt, bevor die Empfänger drei Tage Zeit hatten.
alarm-clock-days = { $n ->
    [one] { $n } Tag
   *[other] { $n } Tage
}
alarm-clock-hours = { $n ->
    [one] { $n } Stunde
   *[other] { $n } Stunden
}
alarm-clock-minutes = { $n ->
    [one] { $n } Minute
   *[other] { $n } Minuten
}
alarm-daily = Solange das dauert, erfahren Sie es einmal am Tag.
alarm-dane-subject = { $server } kann DANE nicht prüfen
alarm-dane-title = Dieser Server kann DANE nicht prüfen
alarm-dane-text = Die TLS-Richtlinie für Mail an { $destination } verlangt DANE. DANE braucht DNSSEC, und zurzeit prüft nichts DNSSEC für { $server }.
alarm-dane-what = Die Mail wartet, und nichts davon wurde gesendet. Der Server versucht es von selbst weiter; ist ihre Zeit um, geht sie an den Absender zurück.
alarm-dane-do = Sehen Sie nach dem Resolver dieser Maschine und nach [dns] in guard.toml. Wer prüft, sagt:
alarm-stored-subject = { $host } zeigt ein anderes Zertifikat
alarm-stored-title = Ein Zertifikat ist nicht das hinterlegte
alarm-stored-text = Mail an { $destination } geht nur an einen Server mit dem Zertifikat, das dafür hinterlegt ist. { $host } zeigt ein anderes. Das kann ein neues Zertifikat sein, oder jemand dazwischen.
alarm-stored-expected = Hinterlegt, SHA-256:
alarm-stored-seen = Gezeigt, SHA-256:
alarm-stored-waits = Dorthin wurde nichts gesendet. Mail von einem sicheren Alias ging an den Absender zurück, andere Mail wartet, und der Server versucht es weiter.
alarm-stored-do = Fragen Sie, wer { $destination } betreibt, auf einem anderen Weg als per Mail, ob der neue Fingerabdruck stimmt. Wenn ja, hinterlegen Sie das neue:
alarm-plain-subject = { $host } bietet keine Verschlüsselung mehr an
alarm-plain-title = Ein Server mit hinterlegtem Zertifikat bietet keine Verschlüsselung an
alarm-plain-text = Mail an { $destination } geht nur an einen Server mit dem Zertifikat, das dafür hinterlegt ist. { $host } bietet gar keine Verschlüsselung an. Das kann ein Fehler dort sein, oder jemand dazwischen.
alarm-plain-do = Fragen Sie, wer { $destination } betreibt, auf einem anderen Weg als per Mail.
alarm-key-subject = { $host } hat den Schlüssel zu seinem Zertifikat nicht
alarm-key-title = Ein Server zeigt ein hinterlegtes Zertifikat ohne dessen Schlüssel
alarm-key-text = Mail an { $destination } geht nur an einen Server mit dem Zertifikat, das dafür hinterlegt ist. { $host } zeigt dieses Zertifikat, konnte aber nicht beweisen, dass er dessen Schlüssel hat. Das kann jemand dazwischen sein.
alarm-rotated-subject = { $host } zeigt sein nächstes Zertifikat
alarm-rotated-title = Ein Server ist zu seinem nächsten hinterlegten Zertifikat gewechselt
alarm-rotated-text = Für { $destination } sind zwei Zertifikate hinterlegt. { $host } zeigt jetzt das spätere; Mail läuft weiter wie bisher.
alarm-rotated-was = Bisher, SHA-256:
alarm-rotated-now = Jetzt, SHA-256:
alarm-rotated-room = Machen Sie vor dem nächsten Wechsel Platz für ein drittes, sobald alle Server von { $destination } das spätere zeigen.
alarm-rotated-do = Entfernen Sie, was hinterlegt ist:
alarm-rotated-then = Dann hinterlegen Sie, was jetzt gezeigt wird, und vergleichen dessen Fingerabdruck mit dem obigen:
alarm-ends-subject = Das für { $destination } hinterlegte Zertifikat endet am { $ends }
alarm-ends-title = Ein hinterlegtes Zertifikat endet am { $ends }
alarm-ends-text = Mail an { $destination } geht nur an einen Server mit dem Zertifikat, das dafür hinterlegt ist, und dieses endet am { $ends }.
alarm-ends-which = Hinterlegt, SHA-256:
alarm-ends-then = Die Server dort werden vorher ein anderes zeigen, und Mail an sie wird warten, bis es hier hinterlegt ist. Zwei können zugleich hinterlegt sein.
alarm-ends-do = Fragen Sie, wer { $destination } betreibt, auf einem anderen Weg als per Mail nach dem Fingerabdruck des nächsten. Ist es in Gebrauch, hinterlegen Sie es:

## Berichte über gewöhnliche Mail
report-bounce-subject = { $n ->
    [one] Nicht zugestellt: Ihre Nachricht an { $recipient }
   *[other] Nicht zugestellt: Ihre Nachricht an { $n } Empfänger
}
report-bounce-title = Ihre Nachricht wurde nicht zugestellt
report-bounce-text = { $n ->
    [one] Ihre Nachricht vom { $date } ließ sich diesem Empfänger nicht zustellen:
   *[other] Ihre Nachricht vom { $date } ließ sich diesen { $n } Empfängern nicht zustellen:
}
report-subject = Ihr Betreff: { $subject }
report-more = { $more ->
    [one] Und ein weiterer Empfänger, der im angehängten Bericht steht.
   *[other] Und { $more } weitere Empfänger, die im angehängten Bericht stehen.
}
report-bounce-final = Wir versuchen es nicht weiter.
report-bounce-do = Prüfen Sie die Adresse, oder wählen Sie einen anderen Weg. Ihre Nachricht liegt im Ordner „Gesendet“.
report-bounce-secure = Nichts wurde unverschlüsselt gesendet.
report-policy-level = TLS-Richtlinie: { $level }
report-policy-unknown = Die DANE-Einträge von { $host } ließen sich nicht sicher abfragen.
report-policy-no-encryption = { $host } bietet keine Verschlüsselung an.
report-policy-no-encryption-dane = { $host } bietet keine Verschlüsselung an, obwohl der DANE-Eintrag sie verlangt.
report-policy-no-encryption-sts = { $host } bietet keine Verschlüsselung an, obwohl die MTA-STS-Richtlinie von { $destination } sie verlangt.
report-policy-not-in-policy = { $host } gehört nicht zu den Servern, die die MTA-STS-Richtlinie von { $destination } nennt.
report-policy-sts-mismatch = Das Zertifikat von { $host } gilt nicht für dessen Namen, wie es die MTA-STS-Richtlinie von { $destination } verlangt. Gefunden: SHA-256 { $seen }.
report-policy-no-encryption-stored = { $host } bietet keine Verschlüsselung an, obwohl ein Zertifikat dafür hinterlegt ist.
report-policy-handshake = Mit { $host } kam keine verschlüsselte Verbindung zustande.
report-policy-dane-mismatch = Das Zertifikat von { $host } passt nicht zum DANE-Eintrag. Gefunden: SHA-256 { $seen }.
report-policy-foreign-key = { $host } zeigt ein Zertifikat, hat aber den Schlüssel dazu nicht.
report-policy-no-dane = { $host } veröffentlicht keinen brauchbaren DANE-Eintrag.
report-policy-not-validated = Dieser Server kann DANE zurzeit nicht prüfen.
report-policy-nothing-stored = Für { $destination } ist kein Zertifikat hinterlegt.
report-policy-stored-mismatch = Das Zertifikat von { $host } ist nicht das hinterlegte. Erwartet: SHA-256 { $expected }. Gefunden: SHA-256 { $seen }.
report-policy-do = Was Sie jetzt tun können: Senden Sie die Nachricht von Ihrer gewöhnlichen Adresse noch einmal, mit { $tags } im Betreff. Dann geht nur ein Link mit gewöhnlicher Mail hinaus, und der Inhalt bleibt hier, bis er verschlüsselt abgeholt wird. Oder wählen Sie einen anderen Weg. Ihre Nachricht liegt im Ordner „Gesendet“.
report-policy-do-other = Was Sie jetzt tun können: Wählen Sie einen anderen Weg. Ihre Nachricht liegt im Ordner „Gesendet“.
report-delay-subject = { $n ->
    [one] Verzögert: Ihre Nachricht an { $recipient }
   *[other] Verzögert: Ihre Nachricht an { $n } Empfänger
}
report-delay-title = Ihre Nachricht verzögert sich
report-delay-text = { $n ->
    [one] Ihre Nachricht vom { $date } ist diesem Empfänger noch nicht zugestellt:
   *[other] Ihre Nachricht vom { $date } ist diesen { $n } Empfängern noch nicht zugestellt:
}
report-delay-more = Wir versuchen es bis zum { $until } weiter. Sie müssen sie nicht noch einmal senden.
report-success-subject = { $n ->
    [one] Zugestellt: Ihre Nachricht an { $recipient }
   *[other] Zugestellt: Ihre Nachricht an { $n } Empfänger
}
report-success-title = Ihre Nachricht wurde übergeben
report-success-text = { $n ->
    [one] Ihre Nachricht vom { $date } wurde dem Server dieses Empfängers übergeben:
   *[other] Ihre Nachricht vom { $date } wurde den Servern dieser { $n } Empfänger übergeben:
}
report-success-more = Was hinter jenem Server geschieht, ist hier nicht bekannt: Er meldet nichts weiter.
report-delivered-title = Ihre Nachricht wurde zugestellt
report-delivered-text = { $n ->
    [one] Ihre Nachricht vom { $date } wurde diesem Empfänger zugestellt:
   *[other] Ihre Nachricht vom { $date } wurde diesen { $n } Empfängern zugestellt:
}
report-delivered-more = Das sagt nicht, dass jemand sie gelesen hat.
report-way-account = Sie liegt im Postfach dieser Adresse auf diesem Server.
report-way-temporary-mailbox = Sie liegt verschlüsselt im temporären Postfach dieser Adresse auf diesem Server. Ein Link oder ein Hinweis per Mail sagt es dem Empfänger. Wenn diese Mail nicht hinausgeht oder zurückkommt, erfahren Sie es.
report-way-plain = Auf dem Weg zu { $host } war sie nicht verschlüsselt.
report-way-encrypted = Auf dem Weg zu { $host } war sie verschlüsselt. Wessen Server das ist, ist nicht bewiesen.
report-way-dane = Auf dem Weg zu { $host } war sie verschlüsselt, und das Zertifikat passt zum DANE-Eintrag.
report-way-sts = Auf dem Weg zu { $host } war sie verschlüsselt, und für das Zertifikat bürgt eine bekannte Stelle, wie es die MTA-STS-Richtlinie von { $destination } verlangt.
report-way-stored = Auf dem Weg zu { $host } war sie verschlüsselt, und das Zertifikat ist das hinterlegte.
report-way-dane-and-stored = Auf dem Weg zu { $host } war sie verschlüsselt, und das Zertifikat passt zum DANE-Eintrag und ist das hinterlegte.
report-attached = Die Kopfzeilen Ihrer Nachricht sind angehängt, ihr Text nicht.
refused-subject = Nicht angenommen: Mail an { $alias } ohne Verschlüsselung
refused-title = Mail an Ihren sicheren Alias wurde nicht angenommen
refused-text = { $n ->
    [one] Jemand hat einmal versucht, Mail an { $alias } über eine Verbindung ohne Verschlüsselung zu senden. Ihr sicherer Alias nimmt Mail nur über verschlüsselte Verbindungen an; deshalb wurde nichts angenommen. Der Absender hat sofort erfahren, dass nicht zugestellt wurde.
   *[other] Andere haben { $n }-mal versucht, Mail an { $alias } über Verbindungen ohne Verschlüsselung zu senden. Ihr sicherer Alias nimmt Mail nur über verschlüsselte Verbindungen an; deshalb wurde nichts angenommen. Die Absender haben sofort erfahren, dass nicht zugestellt wurde.
}
refused-null-sender = ein Mailsystem (leerer Absender)
refused-host = Server: { $host }
refused-once = einmal, am { $first }
refused-often = { $n }-mal, vom { $first } bis { $last }
refused-more = Es gab { $more } weitere Versuche anderer Absender oder Server.
refused-claimed = Absender und Server sind, was die andere Seite angegeben hat. Dort kann jeder alles angeben.
refused-do = Wenn Sie diese Mail erwarten: Nennen Sie dem Absender Ihre normale Adresse, oder bitten Sie ihn, bei seinem Mailanbieter die Verschlüsselung (TLS) einschalten zu lassen.
report-alias-policy = Die Nachricht kam von Ihrem sicheren Alias. TLS-Richtlinie: { $level }
note-alias-do = Wenn der Link per gewöhnlicher Mail gehen darf, senden Sie eine Nachricht mit „{ $secure }“ im Betreff von Ihrer normalen Adresse { $address }.
