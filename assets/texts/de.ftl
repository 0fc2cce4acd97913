### Das Portal: Deutsch.
### Eine flache Liste von Ids. Die Texte enthalten kein HTML; die Vorlagen maskieren jeden Wert.

## Jede Seite
language-other = English
skip = Zum Inhalt
error-prefix = Fehler:
error-summary = Bitte prüfen Sie
footer-owner = Diese Seite betreibt { $brand }.
footer-host = In der Adresszeile Ihres Browsers muss stehen:
help-link = Von wem ist das? Ist das sicher?
back-to-inbox = Zurück zum Posteingang
what-now = Was Sie tun können

## Navigation im offenen Postfach
nav-label = Postfach
nav-inbox = Posteingang
nav-sent = Gesendet
nav-key = Schlüssel
nav-export = Export
sign-out = Abmelden

## Erste Nutzung
first-title = Erste Nutzung Ihres sicheren Postfachs
first-lead = { $brand } hat eine vertrauliche Nachricht für Sie. Mit einem Passwort öffnen Sie Ihr temporäres Postfach.
first-warning-title = Niemand kann dieses Passwort wiederherstellen.
first-warning = Es lässt sich später nicht ändern oder zurücksetzen, auch nicht von uns. Wenn Sie es vergessen, ist alles damit Verschlüsselte verloren. Schreiben Sie es auf und bewahren Sie es sicher auf.
token-label = Zugangscode
token-hint = Er steht in der Mail mit dem Link, in Gruppen zu vier Zeichen. Kopieren Sie ihn und fügen Sie ihn hier ein.
token-filled = Zugangscode: aus Ihrer Mail übernommen
token-error = Dieser Zugangscode gehört nicht zu dieser Seite. Kopieren Sie ihn noch einmal aus der Mail, oder öffnen Sie den Link darin.
pin-label = PIN
pin-intro = Der Absender hat für dieses Postfach eine PIN vergeben und gibt sie Ihnen direkt: persönlich, per Anruf, SMS oder Brief. Wir schicken sie nie per Mail.
pin-missing = Geben Sie die PIN ein, die Sie vom Absender haben.
pin-wrong = Diese PIN ist falsch. { $left ->
    [one] Sie haben noch 1 Versuch.
   *[other] Sie haben noch { $left } Versuche.
}
pin-wrong-explain = Es wurde nichts eingerichtet. Nach { $max } falschen PINs wird die Einladung geschlossen, und der Absender muss eine neue schicken. Fragen Sie im Zweifel erst den Absender.
password-new-label = Neues Passwort
password-new-hint = Mindestens { $min } Zeichen; mehrere Wörter sind gut. Nur für hier: nie das Passwort Ihres Mailkontos.
password-suggest = Passwort vorschlagen
password-suggest-text = Gerade für Sie erzeugt. Wenn es Ihnen gefällt, kopieren oder tippen Sie es in beide Felder:
password-short = Das Passwort braucht mindestens { $min } Zeichen.
password-confirm-label = Neues Passwort wiederholen
password-mismatch = Die beiden Passwörter sind nicht gleich. Geben Sie beide noch einmal ein.
password-again = Zu Ihrer Sicherheit sind beide Passwortfelder leer. Bitte füllen Sie sie noch einmal aus.
pin-not-spent = Ihre PIN wurde nicht geprüft; kein Versuch ist verbraucht.
understood-label = Ich habe mein Passwort notiert. Ich weiß, dass niemand es wiederherstellen kann.
understood-missing = Bitte bestätigen Sie, dass Sie Ihr Passwort notiert haben.
first-submit = Postfach öffnen
cancel = Abbrechen
first-told = Der Absender erfährt, dass Sie das Postfach geöffnet haben. Der Aufruf dieser Seite allein ändert nichts und wird niemandem gemeldet.
no-pin-title = Ich habe keine PIN
no-pin-text = Rufen Sie den Absender unter einer Nummer an, die Sie schon kennen. Oder drücken Sie auf den Knopf: Wir schreiben dem Absender, dass Sie die PIN brauchen. Wir selbst können sie Ihnen nicht sagen.
no-pin-button = Absender benachrichtigen
no-pin-sent-title = Der Absender weiß Bescheid
no-pin-sent-text = Wir haben dem Absender geschrieben, dass Sie die PIN brauchen. Er kann sie Ihnen per Anruf, SMS oder Brief geben. Ihr Link bleibt bis dahin gültig.
cancelled-title = Es wurde nichts eingerichtet
cancelled-text = Sie haben abgebrochen. Kein Passwort wurde gespeichert, und der Link in Ihrer Mail gilt weiter. Sie können diese Seite schließen.

## Eine Einladung, die nicht öffnet
dead-title = Diese Einladung ist geschlossen
dead-text = Die PIN war { $max }-mal falsch. Zum Schutz der Nachricht öffnet dieser Link sie nicht mehr. Der Absender weiß Bescheid.
dead-do = Bitten Sie den Absender um eine neue Einladung, über eine Telefonnummer oder Adresse, die Sie schon kennen.
dead-not-you = Wenn Sie diese PINs nicht eingegeben haben, sagen Sie es dem Absender: Dann hat jemand anderes Ihren Link.
expired-title = Dieses Postfach ist abgelaufen
expired-text = Es ist am { $date } abgelaufen: { $days } Tage lang war darin nichts geschehen. Link und Passwort öffnen es nicht mehr, und seine Nachrichten werden bald endgültig gelöscht.
expired-do = Bitten Sie den Absender, die Nachricht noch einmal zu schicken. Sie bekommen dann eine neue Mail mit einem neuen Link.
expired-soon = Brauchen Sie, was darin war? Sagen Sie es { $brand } sofort: Für einige Tage lässt es sich noch einmal öffnen.
used-title = Dieses Postfach ist schon eingerichtet
used-text = Mit dem Link in Ihrer Mail legen Sie einmal das Passwort fest. Das ist am { $date } geschehen. Jetzt melden Sie sich mit Adresse und Passwort an.
used-not-you-title = Sie haben hier nie ein Passwort gewählt?
used-not-you = Dann hat jemand anderes Ihren Link benutzt. Sagen Sie es dem Absender sofort, am Telefon.
superseded-title = Es gibt eine neuere Einladung
superseded-text = Eine neuere Einladung ging an Sie. Nur diese gilt.
superseded-do = Suchen Sie die neueste Mail von { $brand }, auch im Spam-Ordner.

## An- und Abmelden
signin-title = Anmelden
signin-lead = Ihr temporäres Postfach bei { $brand }
address-label = Adresse
address-hint = Die E-Mail-Adresse, an die unsere Mail ging.
password-label = Passwort
signin-submit = Anmelden
signin-failed = Adresse und Passwort passen nicht zusammen. Prüfen Sie beide; Groß- und Kleinschreibung zählt.
signin-locked-title = Zu viele Versuche
signin-locked = Damit niemand raten kann, macht die Anmeldung eine Pause. Versuchen Sie es in { $minutes ->
    [one] einer Minute
   *[other] { $minutes } Minuten
} wieder.
signin-locked-more = Deswegen wurde nichts gelöscht. Diese Seite sieht für jede Adresse gleich aus.
forgotten-title = Ich habe mein Passwort vergessen
forgotten-text = Es lässt sich nicht zurücksetzen: Andere könnten das missbrauchen, und wir haben Ihren Schlüssel nicht. Bitten Sie einen Absender bei { $brand } um eine neue Einladung. Sie bekommen dann ein neues, leeres Postfach. Die alten Nachrichten bleiben verschlossen und werden später gelöscht.
signed-out-title = Sie sind abgemeldet
signed-out-text = Diese Sitzung ist beendet, und ihr Schlüssel ist aus dem Speicher unseres Servers gelöscht. Andere Browser und Mailprogramme bleiben angemeldet. Wenn dies nicht Ihr eigenes Gerät ist, schließen Sie auch das Browserfenster.
signin-again = Wieder anmelden
ended-title = Sie wurden abgemeldet
ended-text = Das geschieht nach { $minutes } Minuten ohne Aktivität, spätestens nach 8 Stunden, oder wenn die Sitzung anderswo beendet oder unser Server neu gestartet wurde.
ended-reply = Ihr Text ist nicht verloren. Melden Sie sich an, dann können Sie ihn senden.
ended-files = Dateien müssen Sie neu auswählen.
ended-undone = Was Sie eben wollten, ist nicht geschehen. Melden Sie sich an und versuchen Sie es noch einmal.

## Liste der Nachrichten
inbox-title = Posteingang
sent-title = Gesendet
inbox-count = { $n ->
    [0] Keine Nachrichten
    [one] 1 Nachricht
   *[other] { $n } Nachrichten
}
inbox-unread = { $unread ->
    [one] 1 ungelesen
   *[other] { $unread } ungelesen
}
unread = Neu
attachments-count = { $n ->
    [one] 1 Anhang
   *[other] { $n } Anhänge
}
inbox-empty = Hier ist keine Nachricht.
inbox-empty-more = Wenn Ihnen jemand bei { $brand } schreibt, bekommen Sie eine Mail an { $recipient }.
sent-empty = Sie haben noch nichts gesendet.
sent-empty-more = Wenn Sie einem Absender schreiben möchten, öffnen Sie eine Nachricht im Posteingang und wählen „Antworten“. Eine Kopie liegt dann hier.
opened-title = Ihr Postfach ist offen
opened-text = Nächstes Mal melden Sie sich mit { $recipient } und Ihrem Passwort an. Der Link in der Mail hat ausgedient; merken Sie sich stattdessen diese Adresse:
opened-save-title = Sichern Sie, was Sie nicht verlieren dürfen
opened-save-text = Niemand kann Ihr Passwort wiederherstellen. Nachrichten, die Sie auf einem eigenen Gerät gespeichert haben, bleiben auch ohne das Passwort lesbar. Das geht jederzeit, auch später.
opened-save-all = Alle Nachrichten speichern
opened-save-key = Schlüssel speichern, wenn Sie OpenPGP benutzen
keep-until = Dieses Postfach schließt am { $until }, wenn sich bis dahin niemand anmeldet, antwortet oder hierher schreibt. Jedes davon lässt die { $days } Tage neu beginnen.
answered = Beantwortet
search-title = Suche
search-where = Jedes Wort wird in Betreff, Namen und Adressen, Dateinamen und Text aller Nachrichten gesucht, der empfangenen und der gesendeten. Groß- und Kleinschreibung und Akzente zählen nicht.
search-found = { $n ->
    [0] Keine Nachricht gefunden
    [one] 1 Nachricht gefunden
   *[other] { $n } Nachrichten gefunden
}
search-all = { $n ->
    [one] Die 1 Nachricht hier wurde durchsucht.
   *[other] Alle { $n } Nachrichten wurden durchsucht.
}
search-looked = { $n ->
    [one] 1 Nachricht wurde angesehen.
   *[other] { $n } Nachrichten wurden angesehen.
}
search-stopped = Nicht alles wurde durchsucht: Die Zeit war um nach { $n } von { $all } Nachrichten, die neuesten zuerst. Um in allen zu suchen, speichern Sie alles unter „Export“ und suchen dort.
search-cut = { $n ->
    [one] 1 Nachricht ist sehr lang: Nur ihr Anfang wurde durchsucht.
   *[other] { $n } Nachrichten sind sehr lang: Nur ihr Anfang wurde durchsucht.
}
search-unreadable = { $n ->
    [one] 1 Nachricht lässt sich nicht lesen und wurde nicht durchsucht.
   *[other] { $n } Nachrichten lassen sich nicht lesen und wurden nicht durchsucht.
}
search-more = Das sind die neuesten { $most } davon. Mit mehr Wörtern werden es weniger.
search-empty = Geben Sie mindestens ein Wort ein.
search-nothing = Versuchen Sie es mit weniger Wörtern, einer anderen Schreibweise oder dem Anfang eines Wortes.
search-long = Das ist zu lang für die Suche. Höchstens { $most } Zeichen gehen.
search-label = In diesen Nachrichten suchen
search-button = Suchen
older = Ältere Nachrichten
newer = Neuere Nachrichten
page-of = Seite { $page } von { $pages }
list-to = An { $to }

## Eine Nachricht
message-from = Von
message-to = An
message-date = Datum
message-expires = Gültig bis
message-expires-by = { $until }, nach Angabe des Absenders. Die Nachricht bleibt danach hier.
security-title = Sicherheit
sig-valid = Signiert. Die Signatur von { $sender_address } ist gültig.
sig-none = Nicht signiert. Gesendet vom Konto { $sender_address } auf dem Server von { $brand }.
sig-bad = Die Signatur passt nicht. Die Nachricht könnte verändert sein. Fragen Sie den Absender, bevor Sie sich darauf verlassen.
sig-put = Ein Mailprogramm hat diese Nachricht hier abgelegt. Nichts belegt, wer sie geschrieben hat.
sig-own = Sie haben diese Nachricht hier geschrieben. Sie wurde für alle Empfänger verschlüsselt.
sig-notice = Das ist ein Hinweis des Servers von { $brand }.
sig-account = Gesendet vom Konto { $sender_address } auf dem Server von { $brand }.
sig-unchecked = Signiert, aber die Signatur konnte hier nicht geprüft werden: Der Schlüssel ist nicht bekannt. Die Nachricht kam vom Konto { $sender_address } auf dem Server von { $brand }.
message-cut = Diese Nachricht ist zu lang, um sie ganz anzuzeigen. Sie sehen ihren Anfang; speichern Sie sie als Datei, um alles zu lesen.
html-as-text = Diese Nachricht ist so gebaut, dass sie hier nicht angezeigt wird. Sie sehen nur ihren Text; speichern Sie sie als Datei, um sie mit einem Mailprogramm zu öffnen.
stored-line = Gespeichert mit Schlüsseln, die der Server zwischen Ihren Besuchen nicht hat.
blocked-title = Bilder von anderen Servern wurden nicht geladen
blocked-text = { $n ->
    [one] Diese Nachricht verweist auf 1 Bild bei { $from_host }. Würde es geladen, wüsste jener Server, dass Sie gerade lesen.
   *[other] Diese Nachricht verweist auf { $n } Bilder bei { $from_host }. Würden sie geladen, wüsste jener Server, dass Sie gerade lesen.
}
leads-to = führt zu
quoted-text = Zitierter Text
body-title = Nachricht
body-open = Nachricht auf eigener Seite zeigen
attachments-title = Anhänge
download = Herunterladen
download-care = Öffnen Sie nur Dateien, die Sie erwartet haben.
reply = Antworten
print = Druckansicht
save-eml = Als Datei speichern (.eml)
original = Ursprüngliche Nachricht
damaged-title = Diese Nachricht ist beschädigt
damaged-text = Sie ist nicht mehr, was gespeichert wurde: verändert oder unvollständig. Wir zeigen nichts davon.
damaged-do = Bitten Sie den Absender, sie noch einmal zu senden, und sagen Sie { $brand } Bescheid.
unreadable-title = Diese Nachricht lässt sich gerade nicht lesen
unreadable-text = Die Festplatte des Servers gibt sie nicht heraus. Der Fehler liegt bei uns, und die Nachricht ist nicht verloren. Bitte versuchen Sie es in ein paar Minuten noch einmal.

## Antworten
reply-title = Antworten
reply-to = An
reply-to-sender = Nur { $sender }
reply-to-all = Alle bei { $brand } in dieser Nachricht
subject-label = Betreff
body-label = Nachricht
attachment-label = Anhänge
attachment-hint = Sie können mehrere Dateien wählen, zusammen bis { $limit }.
reply-encrypted = Ihre Antwort wird verschlüsselt, bevor sie gespeichert wird. Eine Kopie liegt unter „Gesendet“.
send = Senden
reply-empty = Schreiben Sie eine Nachricht.
reply-too-long = Der Text ist zu lang für eine Nachricht. Speichern Sie ihn in einer Datei und senden Sie diese mit.
reply-text-kept = Ihr Text ist noch da.
reply-kept = Das haben Sie hier schon geschrieben. Es ist noch nicht gesendet.
reply-elsewhere = Diese Antwort gehört zu einem anderen Postfach und wurde nicht gesendet. Melden Sie sich mit der Adresse jenes Postfachs an.
reply-under-way = Unterwegs:
reply-arrived = Alles ist angekommen; Ihre Antwort wird verschlüsselt und gespeichert.
files-sum = Zusammen { $size }
files-large = Diese Dateien sind zu groß zum Senden. Alle zusammen dürfen höchstens { $limit } groß sein.
reply-too-big = Mit „{ $name }“ werden die Dateien zu groß. Alle zusammen dürfen höchstens { $limit } groß sein.
reply-files-again = Bitte wählen Sie die Dateien neu aus.
sent-ok-title = Ihre Antwort ist gesendet
sent-ok-text = An { $to }, am { $date }. Sie wurde verschlüsselt, eine Kopie liegt unter „Gesendet“.
sent-ok-show = Gesendete Nachricht zeigen
timeout-note = Ohne Aktivität werden Sie nach { $minutes } Minuten abgemeldet. Lassen Sie diese Seite offen, dann können Sie Ihren Text danach noch senden.

## Schlüssel
key-title = Ihr Schlüssel
key-lead = Diese Seite brauchen Sie nur, wenn Sie selbst OpenPGP benutzen. Sonst lassen Sie alles, wie es ist.
key-own-title = Der Schlüssel dieses Postfachs
key-former-title = Der Schlüssel von vorher
key-former-text = Er öffnet, was gespeichert wurde, bevor Sie Ihr Passwort gewählt haben. Die Datei enthält beide Schlüssel.
key-fingerprint = Fingerabdruck
key-created = Erzeugt
key-download-title = Schlüssel herunterladen
key-download-text = Sie bekommen eine Datei für Ihr Mailprogramm. Der geheime Teil ist mit einer eigenen Passphrase verschlossen, die wir einmal zeigen und nicht behalten.
key-password-hint = Das Passwort dieses Postfachs, noch einmal: Wer Ihren Browser offen findet, bekommt den Schlüssel nicht.
key-download-next = Weiter zum Herunterladen
key-download-button = Schlüssel herunterladen (.asc)
key-file-title = Ihre Passphrase für den Schlüssel
key-file-text = Diese Passphrase verschließt die Datei. Schreiben Sie sie jetzt auf oder kopieren Sie sie: Wir zeigen sie nur dieses eine Mal und behalten sie nicht. Sie ist nicht das Passwort Ihres Postfachs.
key-file-next = Laden Sie dann die Datei herunter. Das geht einmal, innerhalb von { $minutes } Minuten.
key-file-done = Zurück zu Ihrem Schlüssel
key-file-warning-title = Niemand kann diese Datei zurückholen.
key-file-warning = Wer die Datei und die Passphrase hat, kann öffnen, was hier für Sie gespeichert ist, jetzt und später. Bewahren Sie beide getrennt auf.
key-file-gone-title = Diese Datei lässt sich nicht mehr herunterladen
key-file-gone = Die Datei lässt sich einmal holen, innerhalb von zehn Minuten, nachdem Sie Ihr Passwort eingegeben haben. Nichts ist geschehen. Wenn Sie sie noch brauchen, beginnen Sie neu: Sie bekommen eine neue Passphrase.
key-again = Neu beginnen
key-use-title = Was Sie damit tun
key-use-what = Nachrichten, die Sie hier lesen, speichern oder exportieren, sind schon offen; dafür brauchen Sie keinen Schlüssel. Der Schlüssel öffnet die verschlüsselte Form, in der sie gespeichert sind, und was jemand damit für Sie verschlüsselt.
key-use-thunderbird = Thunderbird: Wählen Sie in den Konten-Einstellungen „Ende-zu-Ende-Verschlüsselung“, dann „Schlüssel hinzufügen“, „Bestehenden OpenPGP-Schlüssel importieren“, die Datei, und geben Sie die Passphrase ein.
key-use-gnupg = GnuPG fragt nach diesem Befehl nach der Passphrase:
key-public-link = Nur den öffentlichen Teil
key-password-wrong = Das Passwort ist falsch.
key-upload-title = Einen eigenen Schlüssel benutzen
key-upload-text = Laden Sie den öffentlichen Teil Ihres eigenen OpenPGP-Schlüssels hoch. Laden Sie nie einen geheimen Schlüssel hoch.
key-upload-label = Ihr öffentlicher Schlüssel
key-upload-hint = Eine Datei mit der Endung .asc, .pgp oder .gpg, bis { $limit }.
key-upload-button = Schlüssel hochladen
key-upload-bad = In dieser Datei ist kein öffentlicher OpenPGP-Schlüssel, der für { $recipient } taugt. Ein geheimer Schlüssel wird nicht angenommen.
key-direct-title = Ab jetzt direkt an meine Adresse senden
key-direct-text = Neue Nachrichten kommen dann verschlüsselt an { $recipient } und nicht mehr in dieses Postfach. Zuerst schicken wir eine Testnachricht: Damit zeigen Sie, dass Sie sie lesen können.
key-direct-which = Verschlüsseln für
key-direct-mailbox-key = Den Schlüssel dieses Postfachs
key-direct-own-key = Meinen eigenen Schlüssel { $own_fingerprint }
key-direct-button = Testnachricht schicken
key-test-title = Öffnen Sie die Testnachricht
key-test-text = Wir haben eine verschlüsselte Testnachricht an { $recipient } geschickt. Öffnen Sie sie in Ihrem Mailprogramm und geben Sie den Code daraus ein. Vorher ändert sich nichts.
key-test-label = Code aus der Testnachricht
key-test-button = Bestätigen und direkt senden
key-test-wrong = Das ist nicht der Code aus der neuesten Testnachricht.
key-test-spent = Der Code war zu oft falsch. Es wurde nichts geändert. Schicken Sie eine neue Testnachricht.
key-direct-no-own = Laden Sie zuerst Ihren eigenen Schlüssel hoch. Einer von vorher ist mit dem Abmelden vergessen.
key-direct-not-here = Es wurde nichts geändert: Diese Adresse hat ein neueres Postfach, oder für sie ist schon ein Schlüssel hinterlegt. Wenn Sie das überrascht, sagen Sie es { $brand }.
key-direct-often = Mehr Testnachrichten werden jetzt nicht verschickt: Die letzte ist noch unterwegs, oder für heute waren es genug. Bitte versuchen Sie es später noch einmal.
key-direct-off = Neue Nachrichten kommen wieder in dieses Postfach.
key-direct-care = Die Nachrichten liegen dann verschlüsselt bei Ihrem Mailanbieter. Wer kein Mailprogramm für OpenPGP zur Hand hat, kann sie nicht lesen.
key-direct-on-title = Nachrichten kommen direkt an Ihre Adresse
key-direct-on-text = Seit { $date } werden neue Nachrichten verschlüsselt an { $recipient } geschickt. Was vorher in diesem Postfach war, bleibt hier lesbar, bis das Postfach gelöscht wird.
key-undo-button = Rückgängig: wieder dieses Postfach benutzen

## Export
export-title = Alles mitnehmen
export-text = Eine Zip-Datei mit allen Nachrichten dieses Postfachs, empfangenen und gesendeten, jede als .eml-Datei, die Mailprogramme öffnen können.
export-empty = Hier ist noch keine Nachricht, also gibt es nichts zu speichern. Kommen Sie wieder, wenn Sie eine bekommen haben.
export-size = { $n ->
    [one] 1 Nachricht
   *[other] { $n } Nachrichten
}, etwa { $size }
export-warning-title = Die Datei ist nicht verschlüsselt.
export-warning = Wer sie bekommt, kann alles lesen. Speichern Sie sie nur auf einem Gerät, dem Sie vertrauen.
export-button = Alles herunterladen (.zip)
export-total = Zusammen
export-long = Über eine Leitung mit 10{"\u00A0"}Mbit/s dauert das etwa { $minutes ->
    [one] eine Minute
   *[other] { $minutes } Minuten
}. Ihr Browser zeigt, wie weit es ist.
export-stay = Das Herunterladen endet, wenn Sie sich abmelden. Was nach seinem Beginn ankommt, ist nicht darin.
export-under-way = Unterwegs:
export-done = Alles wurde an Ihren Browser gesendet.
export-going-title = Ein Export läuft schon
export-going = Für dieses Postfach wird gerade alles heruntergeladen. Warten Sie, bis das fertig ist, oder brechen Sie es in Ihrem Browser ab; einen Moment später können Sie neu beginnen.
export-back = Zurück zum Export
export-file-name = postfach-{ $date }.zip
export-report-name = Lies mich.txt
export-report = Nachrichten des Postfachs von { $recipient } bei { $brand }, mitgenommen am { $date }. Zeiten in UTC. Die leeren Zeilen am Ende füllen die Datei nur auf.
export-report-whole = Jede Nachricht ließ sich lesen. Alle sind hier.
export-report-missing = Diese Nachrichten waren beschädigt oder wurden entfernt, während die Datei entstand. Sie sind nicht hier. Bitten Sie den Absender, sie noch einmal zu senden:
export-report-unreadable = Diese Nachrichten ließen sich diesmal nicht lesen. Sie sind nicht hier, und sie sind nicht verloren. Speichern Sie später noch einmal alles:

## Sitzungen
sessions-link = Wo Sie angemeldet sind
sessions-title = Wo Sie angemeldet sind
sessions-text = Alles, was dieses Postfach jetzt offen hat. Ein Browser wird nach { $minutes } Minuten ohne Aktivität abgemeldet, spätestens nach 8 Stunden.
sessions-ended = Dort sind Sie jetzt abgemeldet. Der Schlüssel dafür ist aus dem Speicher unseres Servers gelöscht.
session-own = Dieser hier
session-since = Angemeldet seit { $since }
session-used = Zuletzt benutzt { $used }
session-agent = { $browser } auf { $system }
session-agent-system = Ein Browser auf { $system }
session-agent-unknown = Ein Browser, der nicht sagt, welcher
session-program = Mailprogramm (IMAP)
session-program-hint = Ein Mailprogramm meldet sich von selbst wieder an, solange es Ihr Passwort kennt. Entfernen Sie das Konto dort.
session-end = Abmelden
sessions-end-others = Überall sonst abmelden
sessions-alone = Nichts anderes hat dieses Postfach offen.
sessions-stranger = Sie kennen etwas davon nicht? Dann hat jemand Ihr Passwort, und es lässt sich nicht ändern. Speichern Sie unter „Export“, was Sie brauchen, und bitten Sie einen Absender um ein neues Postfach.

## Gelöschtes Postfach, Fehler
deleted-title = Dieses Postfach wurde gelöscht
deleted-text = Es wurde am { $date } gelöscht. Zuerst wurde der Schlüssel vernichtet: Auf diesem Server kann die Nachrichten niemand mehr öffnen.
deleted-do = Wenn Sie noch etwas brauchen, bitten Sie den Absender, es noch einmal zu schicken. Sie bekommen dann eine neue Einladung.
error-title = Das hat nicht geklappt
error-text = Der Fehler liegt bei uns, nicht bei Ihnen. Bitte versuchen Sie es in einigen Minuten noch einmal. Wenn Sie gerade antworten wollten, sehen Sie erst unter „Gesendet“ nach: Vielleicht ist die Antwort schon unterwegs.
error-reference = Wenn es wieder geschieht, nennen Sie { $brand } diese Nummer: { $reference }
notfound-title = Hier ist nichts
notfound-text = Die Adresse ist falsch geschrieben, oder das Gesuchte ist nicht mehr da.

## Hilfe
help-title = Von wem ist das? Ist das sicher?
help-lead = Sie fragen zu Recht. Hier steht, was Sie prüfen können und was stimmt.
help-who-title = Wer diese Seite betreibt
help-who = { $brand }, auf einem eigenen Server. Die Mail und diese Seite gehören beide zu { $domain }. In der Adresszeile Ihres Browsers muss genau das stehen:
help-check-title = So gehen Sie sicher
help-check-call = Rufen Sie die Person an, die Ihnen schreibt, unter einer Nummer, die Sie schon kennen. Nehmen Sie die Nummer nicht aus der Mail.
help-check-bar = Vergleichen Sie die Adresszeile mit der Zeile oben, Buchstabe für Buchstabe.
help-check-never = Wir fragen nie nach dem Passwort Ihres Mailkontos, nach Bankdaten oder nach Geld.
help-check-hurry = Es eilt nicht. Der Link gilt { $days } Tage. Nichts geht verloren, wenn Sie erst fragen.
help-mail-title = Was in der Mail steht
help-mail = Name und Adresse des Absenders, ein Link und vielleicht eine Notiz des Absenders. Nicht die Nachricht, nicht die PIN. Wer diese Mail mitliest, hat auch den Link. Mit PIN öffnet der Link allein nichts; ohne PIN kann, wer ihn zuerst benutzt, das Passwort festlegen.
help-read-title = Wer Ihre Nachrichten lesen kann
help-read-stored = Ihre Nachrichten sind verschlüsselt gespeichert, mit Schlüsseln, die der Server zwischen Ihren Besuchen nicht hat. Ihr Passwort öffnet sie. Das heißt im Einzelnen:
help-read-before-title = Wer den Link hat, vor Ihrem ersten Besuch
help-read-before = Öffnet das Postfach nur zusammen mit der PIN, wenn der Absender eine vergeben hat. Nach zehn falschen PINs ist der Link geschlossen. Der Absender behält Link und PIN, verschlossen mit seinem eigenen Passwort, um sie noch einmal schicken zu können. Nach Ihrem ersten Besuch öffnen beide nichts mehr.
help-read-disk-title = Wer eine Festplatte oder Sicherung stiehlt
help-read-disk = Sieht, wie viel gespeichert ist, aber keine Nachricht, keinen Betreff und keinen Namen. Wurde der eigene Schlüssel des Servers mit gestohlen: auch, wer wem geschrieben hat, und Mail, die gerade hinausgeht. Ihre Nachrichten dann nur, wenn jemand Ihr Passwort errät.
help-read-away-title = Wer den Server betreibt, während Sie nicht angemeldet sind
help-read-away = Weiß, wer wem wann geschrieben hat und wie groß die Nachricht war. Was gespeichert ist, öffnet nur, wer Ihr Passwort errät.
help-read-here-title = Wer den Server betreibt, wenn eine Nachricht ankommt und solange Sie angemeldet sind
help-read-memory = Wenn eine Nachricht ankommt und solange Sie angemeldet sind, kann sie lesbar im Arbeitsspeicher unseres Servers liegen. Wer den laufenden Server in diesem Moment beherrscht, könnte sie lesen. Das ist keine Ende-zu-Ende-Verschlüsselung.
help-read-sender-title = Die Absender
help-read-sender = Sehen, wann Sie das Postfach zum ersten Mal geöffnet haben. Nicht, ob oder wann Sie eine Nachricht lesen.
help-read-others-title = Alle anderen
help-read-others = Von uns nichts. Keine Seite lädt etwas von fremden Servern, und Bilder in Nachrichten, die anderswo liegen, bleiben draußen. Ihr Mailanbieter sieht die Mail mit dem Link.
help-password-title = Warum das Passwort sich nicht zurücksetzen lässt
help-password = Weil es sonst auch jemand anderes zurücksetzen könnte. Wir haben weder Ihr Passwort noch eine Kopie Ihres Schlüssels, die sich ohne das Passwort öffnen ließe.
help-password-guess = Das Passwort allein schützt, was gespeichert ist. Mehrere Wörter, die nicht zusammengehören, sind schwer zu erraten und leicht aufzuschreiben.
help-delete-title = Wie lange alles bleibt
help-delete = { $days } Tage nach der letzten Anmeldung, Antwort oder neuen Nachricht schließt das Postfach, und eine Woche später wird es gelöscht. Vorher werden Sie mindestens zweimal per Mail gewarnt. Sie können jederzeit jede Nachricht mit ihren Dateien speichern, oder alles auf einmal.
help-delete-backup = Was gelöscht ist, ist erst dann überall fort, wenn auch die letzte Sicherung des Servers von vorher fort ist.
help-key = Wenn Sie selbst OpenPGP benutzen, können Sie auch den Schlüssel Ihres Postfachs mitnehmen: unter „Schlüssel“, mit Ihrem Passwort. Die Datei ist mit einer eigenen Passphrase verschlossen.
help-cookies-title = Cookies und Verfolgung
help-cookies = Ein Cookie, solange Sie angemeldet sind; beim Abmelden geht es. Eines merkt sich ein Jahr lang, dass dieser Browser schon einmal angemeldet war, und eines die Sprache, wenn Sie sie wählen. Keine Verfolgung, nichts von fremden Servern, keine Werbung.

## Datum und Größe
month-1 = Januar
month-2 = Februar
month-3 = März
month-4 = April
month-5 = Mai
month-6 = Juni
month-7 = Juli
month-8 = August
month-9 = September
month-10 = Oktober
month-11 = November
month-12 = Dezember
date = { $day }. { $month } { $year }
date-time = { $day }. { $month } { $year }, { $time } UTC
size-bytes = { $n }{"\u00A0"}Bytes
size-kb = { $n }{"\u00A0"}KB
size-mb = { $n }{"\u00A0"}MB

## Listen und Daten darin
when-today = Heute { $time }
when-this-year = { $day }. { $month }
when-earlier = { $day }. { $month } { $year }
month-short-1 = Jan.
month-short-2 = Feb.
month-short-3 = März
month-short-4 = Apr.
month-short-5 = Mai
month-short-6 = Juni
month-short-7 = Juli
month-short-8 = Aug.
month-short-9 = Sept.
month-short-10 = Okt.
month-short-11 = Nov.
month-short-12 = Dez.
no-subject = (ohne Betreff)
unreadable = (diese Nachricht kann nicht gelesen werden)
cc = Kopie
file-pdf = PDF-Dokument
file-document = Dokument ({ $ending })
file-spreadsheet = Tabelle ({ $ending })
file-presentation = Präsentation ({ $ending })
file-text = Text
file-picture = Bild
file-sound = Tonaufnahme
file-video = Video
file-archive = Archiv mit Dateien ({ $ending })
file-calendar = Kalendereintrag
file-contact = Kontakt
file-message = E-Mail
file-key = Schlüssel oder Zertifikat
file-signature = Signatur
file-page = Webseite ({ $ending })
file-macros = Office-Datei mit Programmen ({ $ending })
file-disk = Datenträgerabbild ({ $ending })
file-program = Programm ({ $ending })
file-other = Datei
file-danger-program = Programme können Ihrem Computer schaden. Öffnen Sie dieses nur, wenn Sie darum gebeten haben.
file-danger-macros = Die Datei kann Programme enthalten, die beim Öffnen laufen. Öffnen Sie sie nur, wenn Sie darum gebeten haben.
file-danger-disk = Das Abbild kann Programme enthalten. Öffnen Sie es nur, wenn Sie darum gebeten haben.
file-danger-page = Die Seite kann eine Anmeldung nachahmen. Geben Sie darin nie ein Passwort ein.
file-danger-double = Der Name täuscht eine andere Art Datei vor; es zählt die letzte Endung: { $ending }.
file-kind = { $kind }, { $size }

## Weitere Gründe
password-long = Das Passwort ist zu lang: höchstens { $most } Bytes sind möglich.
password-character = Das Passwort hat ein Zeichen, das sich nicht überall tippen lässt, etwa einen Tabulator. Bitte lassen Sie es weg.
password-common = Dieses Passwort benutzen zu viele. Wählen Sie eines, das sonst niemand hat.
password-is-address = Ihre Adresse ist kein gutes Passwort. Wählen Sie ein anderes.
password-is-pin = Die PIN ist kein gutes Passwort: Der Absender kennt sie. Wählen Sie ein anderes.
busy-title = Zu viel auf einmal
busy-text = Der Server hat gerade mehr zu tun, als er kann. Es ist nichts geschehen, und kein Versuch wurde verbraucht. Bitte versuchen Sie es in einer Minute noch einmal.
foreign-text = Dieses Formular kam nicht von unserer eigenen Seite; deshalb wurde nichts getan. Öffnen Sie die Seite neu und senden Sie es von dort.
misdirected-text = Der Name in Ihrer Adresszeile ist nicht der Name dieses Servers. Vergleichen Sie ihn mit dem unten.
misdirected-do = Öffnen Sie den Link in Ihrer Mail noch einmal, oder tippen Sie jenen Namen in die Adresszeile.
body-too-large = Was Sie gesendet haben, ist zu groß. Es wurde nichts getan.
body-cut = Was Sie gesendet haben, kam nicht vollständig an. Es wurde nichts getan. Bitte versuchen Sie es noch einmal.
body-slow = Was Sie gesendet haben, kam zu langsam an und wurde abgebrochen. Es wurde nichts getan. Gehen Sie zurück und versuchen Sie es noch einmal, wenn Ihre Verbindung besser ist.
body-kind = Was Sie gesendet haben, kam in einer Form, die diese Seite nicht annimmt. Es wurde nichts getan. Öffnen Sie die Seite neu und senden Sie es von dort.
reply-all-too-big = Die Dateien sind zu groß. Alle zusammen dürfen höchstens { $limit } groß sein, und sie wachsen unterwegs um ein Drittel.
reply-refused = Diese Antwort wurde abgelehnt; noch einmal senden hilft nicht. Sagen Sie es dem Absender am Telefon. Der Server sagt auf Englisch: „{ $why }“
reply-full = Das Postfach des Empfängers ist voll. Es wurde nichts gesendet. Bitte sagen Sie es dem Absender am Telefon.
reply-nobody = Bei { $brand } kann hier niemand mehr eine Antwort bekommen. Es wurde nichts gesendet.
reply-read-only = Im Moment kann nichts gesendet werden: Die Festplatte des Servers ist fast voll. Bitte versuchen Sie es später noch einmal.
imprint = Impressum
privacy = Datenschutz
contact = Kontakt
