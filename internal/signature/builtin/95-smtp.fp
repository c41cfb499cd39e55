; Programs that send mail, by how they speak SMTP (docs/dialect.md). The file is
; made of the recordings of tools/dialectlab by its command rules: of each field
; the values that the sessions of an engine have, where the server's offers do
; not explain them. Of programs that match equally well the first are named: those
; with more recordings come first.

[smtp:client]

label  = s:library:Python smtplib:
source = tools/dialectlab: django 4.2, redmail 0.6, smtplib 2.7.18, smtplib 3.10.13, smtplib 3.11.2, smtplib 3.11.7, smtplib 3.12.1, smtplib 3.13.0, smtplib 3.13.5, smtplib 3.6.15, smtplib 3.7.16, smtplib 3.8.18, smtplib 3.9.18, smtplib 3.9.2, yagmail 0.15
date   = 2026-11
sig    = hello=ehlo @;nohello=H;mail=mail FROM:<> size= BODY=8BITMIME?;rcpt=rcpt TO:<>;data=data;flow=M/R/D/.;write=one;dot=with;next=$|/M|/Q;refused=S/$|S/Q;quit=quit;end=fin|quit
sig    = hello=ehlo @;nohello=H;mail=mail from:<> size= BODY=8BITMIME?;rcpt=rcpt to:<>;data=data;flow=M/R-;refused=S/$;quit=quit;end=fin
sig    = hello=ehlo @;nohello=H;mail=mail from:<> size= BODY=8BITMIME?;rcpt=rcpt to:<>;data=data;flow=M/R/D/.;write=one;dot=with;next=/M|/Q;refused=S/$;quit=quit;end=quit
sig    = hello=ehlo @;starttls=no;tls=OpenSSL;settings=Python 3.10 or later|Python 3.6 or earlier|default;hints=3emt;pad=yes;rec=e/n/n/6;write=one;dot=with;next=/Q;end=noalert
sig    = hello=ehlo @;tls=OpenSSL;settings=Python 3.10 or later|Python 3.6 or earlier|default;hints=3emt;pad=yes;rec=e/n/n/6|e/n/n/6/6;write=one;dot=with;next=/Q;end=noalert

label  = s:library:Perl Net-SMTP:
source = tools/dialectlab: Email::Sender 1.300035, Email::Sender 2.600, Email::Sender 2.601, MIME::Lite 3.031, MIME::Lite 3.033, Net::SMTP 5.32.1, Net::SMTP 5.36.0, Net::SMTP 5.40.1, Net::SMTPS 0.10, git send-email 2.39.5
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=parts;next=/Q;refused=$;quit=QUIT;end=quit
sig    = hello=EHLO @;tls=OpenSSL;settings=default;hints=3emot;pad=yes;sni=yes;rec=e/n/n|e/n/n/6;write=parts;dot=alone|crlf;next=/Q
sig    = hello=EHLO @|EHLO localhost.localdomain;starttls=no;tls=OpenSSL;settings=default;hints=3emot;pad=yes;sni=yes;rec=e/n/n/6;write=parts;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO @|EHLO localhost.localdomain;starttls=no;tls=OpenSSL;settings=default|other;hints=3emt;pad=yes;rec=e/n/n/6;write=one;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO localhost.localdomain;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$|Q/$;quit=QUIT;end=fin|quit
sig    = hello=EHLO localhost.localdomain;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one|parts;dot=alone|crlf;next=/M|/Q;refused=$|Q/$;quit=QUIT;end=quit
sig    = hello=EHLO localhost.localdomain;tls=OpenSSL;settings=default|other;hints=3emt;pad=yes;rec=e|e/n/n/6;write=one;dot=alone|crlf;next=/Q

label  = s:library:Nodemailer:
source = tools/dialectlab: Nodemailer 1.11.0, Nodemailer 2.7.2, Nodemailer 3.1.8, Nodemailer 4.7.0, Nodemailer 5.1.1, Nodemailer 6.4.18, Nodemailer 6.9.16, Nodemailer 7.0.11, Nodemailer, Node 12.22.12 6.9.16, Nodemailer, Node 16.20.2 6.9.16, Nodemailer, Node 24.22.3 6.9.16
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=CFT?S?IEDM|CFT?S?IX?EDM|CFT?S?X?EDI'M|FT?S?IEDMC;write=parts;dot=alone|crlf;next=$|/M;refused=$;end=fin
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=parts;dot=alone|crlf;next=$|/M;refused=$;end=fin
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=Node.js;hints=3emt;pad=no;rec=e/n/n/6;write=parts;dot=with;next=$;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=Node.js;hints=3emt;pad=no;rec=e/n/n|e/n/n/6;write=parts;dot=with;next=$;end=alert

label  = s:monitor:Go net/smtp:
source = tools/dialectlab: Alertmanager 0.25.0, gomail 2.0, jordan-email 4.0, net/smtp 1.21.0, net/smtp 1.22.0, net/smtp 1.23.0, net/smtp 1.24.0, net/smtp 1.25.0, net/smtp 1.26.0
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> BODY=8BITMIME SMTPUTF8;rcpt=RCPT TO:<>;data=DATA;flow=M/R-|M/R/D$;refused=$|Q/$;quit=QUIT;end=fin|quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> BODY=8BITMIME SMTPUTF8;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D$|M/R/D/.;write=one;dot=with;next=/M|/Q;refused=$|Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;tls=Go;settings=default;hints=3mo;rec=e/n/n|e/n/n/6;write=one;dot=with;next=/Q
sig    = hello=EHLO @;tls=Go;settings=default;hints=3o;rec=e/n/n/6;write=bulk;dot=with;next=/Q;end=alert
sig    = hello=EHLO @|EHLO localhost;starttls=no;tls=Go;settings=default;hints=3mo;rec=e/n/n/6;write=one;dot=with;next=/Q;end=alert
sig    = hello=EHLO localhost;nohello=H;mail=MAIL FROM:<> BODY=8BITMIME SMTPUTF8;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=EHLO localhost;nohello=H;mail=MAIL FROM:<> BODY=8BITMIME SMTPUTF8;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=with;next=/Q;refused=$;quit=QUIT;end=quit
sig    = hello=EHLO localhost;tls=Go;settings=default;hints=3mo;rec=e/n/n|e/n/n/6;write=one;dot=with;next=/Q;end=alert

label  = s:mta:Exim:
source = tools/dialectlab: Exim 4.94.2, Exim 4.96, Exim 4.98.2, Exim heavy 4.94.2, Exim heavy 4.96, Exim heavy 4.98.2
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> SIZE=;rcpt=RCPT TO:<>;data=BDAT|DATA;flow=M+R+B|M/R/D/.;header=relayed;write=one;dot=with;next=+Q|/M|/Q;quit=QUIT
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> SIZE=;rcpt=RCPT TO:<>;data=BDAT|DATA;flow=M+R+B|M/R/D/.;write=one;dot=with;next=+Q|/M|/Q;quit=QUIT
sig    = hello=EHLO @;starttls=no;tls=GnuTLS;settings=default;hints=3elmot;pad=no;rec=e/n|e/n/6;end=alert
sig    = hello=EHLO @;tls=GnuTLS;settings=default;hints=3elmot;pad=no;rec=e/n|e/n/6;end=alert

label  = s:library:JavaMail:
source = tools/dialectlab: angus-mail 2.0.3, jakarta.mail 2.0.1, javax.mail 1.4.7, javax.mail 1.5.6, javax.mail 1.6.2, simple-java-mail 8.12.6
date   = 2026-11
sig    = hello=EHLO @;flow=$;end=fin
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=S/$|S/Q;quit=QUIT;end=fin|quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=DFT?IS?MCE|FT?IS?MCE;write=one;dot=with;next=/M|/Q;refused=S/$|S/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=with;next=/M|/Q;refused=S/$|S/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=JSSE;settings=default;hints=3motv;pad=no;rec=e/n/n/6;write=one;dot=with;next=/Q;end=alert
sig    = hello=EHLO @;tls=JSSE;settings=default;hints=3motv;pad=no;rec=e/n/n/6|e/n/n/6/6;write=one;dot=with;next=/Q

label  = s:library:Ruby net/smtp:
source = tools/dialectlab: Mail 2.7.1, Mail 2.8.1, net-smtp 2.7, net-smtp 3.1, net-smtp 3.3
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=DFT?IS?M'CE;write=lines;next=/M|/Q;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=given;write=lines;next=/M|/Q;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=default;hints=3ehmt;pad=yes;sni=yes;rec=e/n/n/6;header=given;write=lines;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=default;hints=3emt;pad=yes;rec=e/n/n/6;header=given;write=lines;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=default;hints=3ehmt;pad=yes;sni=yes;rec=e/n/n/6;header=given;write=lines;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=default;hints=3emt;pad=yes;rec=e/n/n/6;header=given;write=lines;dot=alone|crlf;next=/Q;end=alert

label  = s:mua:Mutt:
source = tools/dialectlab: Mutt 2.0.5, Mutt 2.2.12, Mutt 2.2.13, NeoMutt 20201127, NeoMutt 20220429, NeoMutt 20250510
date   = 2026-11
sig    = hello=EHLO @;mail=MAIL FROM:<> BODY=8BITMIME;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=DFT?S?IMCPE;write=date;next=/Q;quit=QUIT;end=quit!
sig    = hello=EHLO @;mail=MAIL FROM:<> BODY=8BITMIME;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=date;next=/Q;quit=QUIT;end=quit!
sig    = hello=EHLO @;tls=GnuTLS;settings=default;hints=3elmotv;pad=no;sni=yes;rec=e|e/n/n|e/n/n/6;write=date;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO @|HELO @;starttls=no;tls=GnuTLS;settings=default;hints=3elmotv;pad=no;sni=yes;rec=e/n/n/6;write=date;dot=alone|crlf;next=/Q;end=alert
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=DFT?S?IMCP;write=date;next=/Q;refused=$;quit=QUIT;end=quit!
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=date;next=/Q;refused=$;quit=QUIT;end=quit!

label  = s:monitor:check_smtp:
source = tools/dialectlab: check_smtp -C 2.3.1, check_smtp -C 2.3.3, check_smtp -C 2.4.0, check_smtp 2.3.1, check_smtp 2.3.3, check_smtp 2.4.0
date   = 2026-11
sig    = hello=EHLO @;tls=OpenSSL;settings=default;hints=3em;pad=no;rec=e/6|e/n/n/6;end=noalert
sig    = hello=HELO @;flow=Q;quit=QUIT;end=quit
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;flow=M/R/Q;refused=Q/$;quit=QUIT;end=quit

label  = s:library:emailjs:
source = tools/dialectlab: emailjs 1.0.12, emailjs 2.2.0, emailjs 3.8.0, emailjs 4.0.3
date   = 2026-11
sig    = hello=ehlo @;nohello=H;mail=mail FROM:<>;rcpt=RCPT TO:<>;data=data;flow=M/R/D/.|M+R+S$;header=I'DFT?S?CEP;write=one|parts;dot=alone|crlf;next=$|/M;refused=S/$;end=fin
sig    = hello=ehlo @;starttls=no;tls=OpenSSL;settings=Node.js;hints=3emt;pad=no;rec=e/n/n/6;write=one;dot=alone|crlf;next=$;end=noalert
sig    = hello=ehlo @;tls=OpenSSL;settings=Node.js;hints=3emt;pad=no;rec=e/n/n/6;write=one;dot=alone|crlf;next=$;end=noalert

label  = s:mua:go-smtp:
source = tools/dialectlab: aerc 0.14.0, go-smtp 0.16.0, go-smtp 0.21.3, go-smtp 0.25.1
date   = 2026-11
sig    = hello=EHLO localhost;nohello=H;mail=MAIL FROM:<> BODY=8BITMIME;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=EHLO localhost;nohello=H;mail=MAIL FROM:<> BODY=8BITMIME;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=with;next=$|/M|/Q;refused=$;quit=QUIT;end=fin|quit
sig    = hello=EHLO localhost;starttls=no;tls=Go;settings=default;hints=3mo;rec=e/n/n/6;write=one;dot=with;next=/Q;end=alert
sig    = hello=EHLO localhost;starttls=no;tls=Go;settings=default;hints=3o;rec=e/n/n/6;write=one;dot=with;next=$;end=noalert
sig    = hello=EHLO localhost;tls=Go;settings=default;hints=3mo;rec=e/n/n|e/n/n/6;write=one;dot=with;next=/Q
sig    = hello=EHLO localhost;tls=Go;settings=default;hints=3o;rec=e/n/n|e/n/n/6;write=one;dot=with;next=$

label  = s:mta:Postfix:
source = tools/dialectlab: Postfix 3.10.13, Postfix 3.5.25, Postfix 3.7.11
date   = 2026-11
sig    = hello=EHLO @;flow=$;end=rst
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> SIZE= BODY=8BITMIME?;rcpt=RCPT TO:<> ORCPT=;data=DATA;flow=M+R+D/.;header=relayed;write=one;dot=with;next=+Q|/Q;refused=S/$;quit=QUIT
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> SIZE= BODY=8BITMIME?;rcpt=RCPT TO:<> ORCPT=;data=DATA;flow=M+R+D/.;write=one;dot=with;next=+Q|/Q;refused=S/$;quit=QUIT
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=other;hints=3emtn;pad=yes;rec=e/n/n;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=other;hints=3emtn;pad=yes;rec=e/6|e/n/n;end=alert

label  = s:mta:dma:
source = tools/dialectlab: dma 0.13
date   = 2026-11
sig    = hello=EHLO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=EHLO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=relayed;write=lines;next=/Q;refused=$;quit=QUIT;end=quit
sig    = hello=EHLO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=lines;next=/Q;refused=$;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=default;hints=3emt;pad=no;rec=e/n/n/6;write=lines;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=default;hints=3emt;pad=no;rec=e/n/n|e/n/n/6;write=lines;dot=alone|crlf;next=/Q;end=alert

label  = s:library:aiosmtplib:
source = tools/dialectlab: aiosmtplib 1.1.7, aiosmtplib 2.0.2, aiosmtplib 3.0.2, aiosmtplib 4.0.2
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> size=;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=S/$;quit=QUIT;end=fin
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> size=;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=with;next=/M|/Q;refused=S/$;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=Python 3.10 or later|default;hints=3emt;pad=yes;rec=e/n/n/6;write=one;dot=with;next=/Q
sig    = hello=EHLO @;tls=OpenSSL;settings=Python 3.10 or later|default;hints=3emt;pad=yes;rec=e|e/n/n/6;write=one;dot=with;next=/Q

label  = s:mta:nullmailer:
source = tools/dialectlab: nullmailer 2.2
date   = 2026-11
sig    = hello=EHLO @;tls=GnuTLS;settings=default;hints=3elmot;pad=no;sni=yes;rec=e/n/n/6;write=one;dot=with;next=/Q;end=noalert
sig    = hello=EHLO @|HELO @;starttls=no;tls=GnuTLS;settings=default;hints=3elmot;pad=no;sni=yes;rec=e/n/n/6;write=one;dot=with;next=/Q;end=noalert
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=relayed;write=one;dot=with;next=/Q;refused=Q/$;quit=QUIT;end=quit!
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=with;next=/Q;refused=Q/$;quit=QUIT;end=quit!

label  = s:mta:Courier:1.0.16 and older
source = tools/dialectlab: Courier 1.0.16
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> SMTPUTF8 BODY=8BITMIME? BODY=7BIT? SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M/R+D/.;header=relayed;write=one;dot=with;next=/Q|/S;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> SMTPUTF8 BODY=8BITMIME? BODY=7BIT? SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M/R+D/.;write=one;dot=with;next=/Q|/S;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;tls=GnuTLS;settings=default;hints=3elmot;pad=no;rec=e/n/n/6;end=alert

label  = s:mta:Courier:1.4.1 and newer
source = tools/dialectlab: Courier 1.4.1
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> BODY=8BITMIME? BODY=7BIT? SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M/R+D/.;header=relayed;write=one;dot=with;next=/Q|/S;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> BODY=8BITMIME? BODY=7BIT? SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M/R+D/.;write=one;dot=with;next=/Q|/S;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;tls=GnuTLS;settings=default;hints=3elmot;pad=no;rec=e/n/n/6;end=alert

label  = s:library:PHPMailer:
source = tools/dialectlab: PHPMailer 6.2.0, PHPMailer 6.6.3, PHPMailer 6.9.3
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=DT?FS?IX?MC|DT?FS?IX?MCE;write=date;next=/Q|/S;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=date;next=/Q|/S;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=PHP;hints=3emt;pad=yes;sni=yes;rec=e/n/n/6;write=date;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=PHP;hints=3emt;pad=yes;rec=e/n/n/6;write=date;dot=alone|crlf;next=/Q;end=alert

label  = s:library:Symfony Mailer:
source = tools/dialectlab: Symfony Mailer 4.4.19, Symfony Mailer 5.4.53, Symfony Mailer 6.4.50
date   = 2026-11
sig    = hello=EHLO [127.0.0.1];nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=S/$|S/Q;quit=QUIT;end=fin|quit
sig    = hello=EHLO [127.0.0.1];nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=FT?S?IMDCE;write=parts;dot=alone|crlf;next=/M|/Q;refused=S/$|S/Q;quit=QUIT;end=quit
sig    = hello=EHLO [127.0.0.1];starttls=no;tls=OpenSSL;settings=PHP;hints=3emt;pad=yes;sni=yes;rec=e/n/n/6;write=parts;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO [127.0.0.1];tls=OpenSSL;settings=PHP;hints=3emt;pad=yes;rec=e/n/n/6|e/n/n/6/6;write=parts;dot=alone|crlf;next=/Q;end=alert

label  = s:library:Twisted:22.10.0 and older
source = tools/dialectlab: twisted 20.3.0, twisted 22.10.0
date   = 2026-11
sig    = hello=EHLO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=alone|crlf;next=/S;refused=S/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=Q;flow=Q;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=default;hints=3emt;pad=no;rec=e/n/n/6;write=one;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=default;hints=3emt;pad=no;rec=e/n/n/6|e/n/n/6/6;write=one;dot=alone|crlf;next=/Q;end=alert

label  = s:library:Twisted:24.11.0 and newer
source = tools/dialectlab: twisted 24.11.0
date   = 2026-11
sig    = hello=EHLO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=alone|crlf;next=/S;refused=S/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=Q;flow=Q;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=default;hints=3emt;pad=no;rec=e/n/n/6;write=one;dot=with;next=/Q;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=default;hints=3emt;pad=no;rec=e/n/n/6|e/n/n/6/6;write=one;dot=with;next=/Q;end=alert

label  = s:mta:chasquid:
source = tools/dialectlab: chasquid 1.11, chasquid 1.15.0, chasquid 1.6
date   = 2026-11
sig    = hello=EHLO @;flow=$;end=rst
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> BODY=8BITMIME;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> BODY=8BITMIME;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=relayed;write=one;dot=with;next=/Q;refused=$;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> BODY=8BITMIME;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=with;next=/Q;refused=$;quit=QUIT;end=quit
sig    = hello=EHLO @;tls=Go;settings=default;hints=3o;pad=no;sni=yes;rec=e/n/n|e/n/n/6;write=one;dot=with;next=/Q
sig    = hello=EHLO @;tls=Go;settings=go.mod before 1.22;hints=3mo;pad=no;sni=yes;rec=e/n/n|e/n/n/6;write=one;dot=with;next=/Q

label  = s:tool:curl:7.88.1 and older
source = tools/dialectlab: curl 7.74.0, curl 7.88.1
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=alone|crlf;next=/M|/Q;refused=Q/$;quit=QUIT;end=quit;eol=lf
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=default;hints=3ehm;pad=yes;rec=e/n/n/6;write=one;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=default;hints=3ehm;pad=yes;rec=e/n/n/6;write=one;dot=alone|crlf;next=/Q;end=alert

label  = s:tool:curl:8.14.1 and newer
source = tools/dialectlab: curl 8.14.1
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=with;next=/M|/Q;refused=Q/$;quit=QUIT;end=quit;eol=lf
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=default;hints=3ehm;rec=e/n/n/6;write=one;dot=with;next=/Q;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=default;hints=3ehm;rec=e/n/n/6;write=one;dot=with;next=/Q;end=alert

label  = s:mta:msmtp:1.8.23 and older
source = tools/dialectlab: msmtp 1.8.11, msmtp 1.8.23
date   = 2026-11
sig    = hello=EHLO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R+D-;refused=$;quit=QUIT;end=fin|rst
sig    = hello=EHLO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M~R+D/.;write=lines;next=/Q;refused=$;quit=QUIT;end=quit
sig    = hello=EHLO @;tls=GnuTLS;settings=default;hints=3elmot;pad=no;sni=yes;rec=e/n/n6;write=lines;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO @|EHLO localhost;starttls=no;tls=GnuTLS;settings=default;hints=3elmot;pad=no;sni=yes;rec=e/n/n/6|e/n/n6;write=date;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO localhost;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R+D-;refused=$|D/$;quit=QUIT;end=fin
sig    = hello=EHLO localhost;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R~D/.;write=lines;next=/Q;refused=$|D/$;quit=QUIT;end=quit
sig    = hello=EHLO localhost;tls=GnuTLS;settings=default;hints=3elmot;pad=no;sni=yes;rec=e/n/n/6|e/n/n/n6|e/n/n6|e/nn6;write=lines;dot=alone|crlf;next=/Q;end=alert

label  = s:mta:msmtp:1.8.28 and newer
source = tools/dialectlab: msmtp 1.8.28
date   = 2026-11
sig    = hello=EHLO @;mail=MAIL FROM:<> SMTPUTF8;rcpt=RCPT TO:<>;data=DATA;flow=M/R+D-;refused=$;quit=QUIT;end=fin
sig    = hello=EHLO @;mail=MAIL FROM:<> SMTPUTF8;rcpt=RCPT TO:<>;data=DATA;flow=M~R+D/.;write=lines;next=/Q;refused=$;quit=QUIT;end=quit
sig    = hello=EHLO @;tls=GnuTLS;settings=default;hints=3elmot;pad=no;sni=yes;rec=e/n/n6;write=date;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO @|EHLO localhost;starttls=no;tls=GnuTLS;settings=default;hints=3elmot;pad=no;sni=yes;rec=e/n/n6;write=date;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO localhost;nohello=H;mail=MAIL FROM:<> SMTPUTF8;rcpt=RCPT TO:<>;data=DATA;flow=M/R+D-;refused=$|D/$;quit=QUIT;end=fin|rst
sig    = hello=EHLO localhost;nohello=H;mail=MAIL FROM:<> SMTPUTF8;rcpt=RCPT TO:<>;data=DATA;flow=M/R~D/.;write=lines;next=/Q;refused=$|D/$;quit=QUIT;end=quit
sig    = hello=EHLO localhost;tls=GnuTLS;settings=default;hints=3elmot;pad=no;sni=yes;rec=e/n/n/6|e/n/n/n6|e/n/n6;write=lines;dot=alone|crlf;next=/Q;end=alert

label  = s:tool:swaks:
source = tools/dialectlab: swaks 20201014.0, swaks 20240103.0
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=DT?FS?I'X?;write=one;dot=with;next=/Q;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=given;write=one;dot=with;next=/Q;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=default;hints=3emt;pad=yes;rec=e/n/n/6;header=given;write=one;dot=with;next=/Q;end=noalert
sig    = hello=EHLO @;tls=OpenSSL;settings=default;hints=3emt;pad=yes;rec=e/n/n/6;header=given;write=one;dot=with;next=/Q;end=noalert

label  = s:mua:Emacs smtpmail:
source = tools/dialectlab: smtpmail 27.1, smtpmail 28.2, smtpmail 30.1
date   = 2026-11
sig    = hello=EHLO @;flow=$;end=fin
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=FT?S?DIMC|FT?S?DIMCE;write=lines;next=/Q;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=lines;next=/Q;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=GnuTLS;settings=default;hints=3elmot;pad=yes;rec=e/n/n/6;write=lines;dot=alone|crlf;next=/Q;end=noalert
sig    = hello=EHLO @;tls=GnuTLS;settings=default;hints=3elmot;pad=yes;rec=e;end=noalert

label  = s:library:PEAR Net_SMTP:1.9.0 and older
source = tools/dialectlab: PEAR Net_SMTP 1.9.0
date   = 2026-11
sig    = hello=EHLO @;flow=$;end=fin
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=alone|crlf;next=/M|/Q;refused=D/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;tls=OpenSSL;settings=PHP;hints=3emt;pad=yes;sni=yes;rec=e/n/n/6;write=one;dot=alone|crlf;next=/Q;end=alert

label  = s:library:PEAR Net_SMTP:1.10.1 and newer
source = tools/dialectlab: PEAR Net_SMTP 1.10.1, PEAR Net_SMTP 1.12.1
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=alone|crlf;next=/M|/Q;refused=D/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=PHP;hints=3emt;pad=yes;sni=yes;rec=e/n/n/6;write=one;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=PHP;hints=3emt;pad=yes;sni=yes;rec=e/n/n/6|e/n/n/6/6;write=one;dot=alone|crlf;next=/Q;end=alert

label  = s:mta:Dovecot lib-smtp:2.3.19.1 and older
source = tools/dialectlab: submissiond 2.3.13, submissiond 2.3.19.1
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> AUTH= BODY=8BITMIME? SIZE=;rcpt=RCPT TO:<>;data=BDAT|DATA;flow=M/R-|M/R/B;refused=S/Q;quit=QUIT
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> AUTH= BODY=8BITMIME? SIZE=;rcpt=RCPT TO:<>;data=BDAT|DATA;flow=M/R/B|M/R/D/.;header=relayed;write=one;dot=with;next=/M|/Q;refused=S/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> AUTH= BODY=8BITMIME? SIZE=;rcpt=RCPT TO:<>;data=BDAT|DATA;flow=M/R/B|M/R/D/.;write=one;dot=with;next=/M|/Q;refused=S/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=other;hints=3em;pad=yes;sni=yes;rec=e/n/n/nn/6;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=other;hints=3em;pad=yes;sni=yes;rec=e/n/n/6/6|e/n/n/nn/6;end=alert

label  = s:mta:Dovecot lib-smtp:2.4.1 and newer
source = tools/dialectlab: submissiond 2.4.1
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> AUTH= BODY=8BITMIME? SIZE=;rcpt=RCPT TO:<>;data=BDAT|DATA;flow=M/R-|M/R/B;refused=S/Q;quit=QUIT
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> AUTH= BODY=8BITMIME? SIZE=;rcpt=RCPT TO:<>;data=BDAT|DATA;flow=M/R/B|M/R/D/.;header=relayed;write=one;dot=with;next=/M|/Q;refused=S/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> AUTH= BODY=8BITMIME? SIZE=;rcpt=RCPT TO:<>;data=BDAT|DATA;flow=M/R/B|M/R/D/.;write=one;dot=with;next=/M|/Q;refused=S/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=default;hints=3emt;sni=yes;rec=e/n/n/nn/6;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=default;hints=3emt;sni=yes;rec=e/n/n/6/6|e/n/n/nn/6

label  = s:mta:OpenSMTPD:
source = tools/dialectlab: OpenSMTPD 6.8.0p2, OpenSMTPD 7.6.0p1
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=relayed;write=one;dot=alone|crlf;next=$|/M;refused=S/$|S/M;end=fin
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=alone|crlf;next=$|/M;refused=S/$|S/M;end=fin
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=other;hints=3em;pad=yes;rec=e/n/n/6;write=one;dot=alone|crlf;next=$;end=noalert
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=other;hints=3emo;pad=no;rec=e/n/n/6;write=one;dot=alone|crlf;next=$;end=noalert
sig    = hello=EHLO @;tls=OpenSSL;settings=other;hints=3em;pad=yes;rec=e/n/n/6;write=one;dot=alone|crlf|with;next=$|/M;end=noalert
sig    = hello=EHLO @;tls=OpenSSL;settings=other;hints=3emo;pad=no;rec=e/n/n/6;write=one;dot=alone|crlf|with;next=$|/M;end=noalert

label  = s:mua:nmh:
source = tools/dialectlab: nmh 1.7.1, nmh 1.8
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> BODY=8BITMIME?;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=FT?S?MCD|FT?S?MCED;write=one;dot=with;next=/Q;refused=S/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> BODY=8BITMIME?;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=with;next=/Q;refused=S/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=default;hints=3emt;pad=no;rec=e/n/n/6;write=one;dot=with;next=/Q;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=default;hints=3emt;pad=no;rec=e/6/6|e/n/n/6|e/n/n/6/6;write=one;dot=with;next=/Q;end=alert

label  = s:mua:s-nail:
source = tools/dialectlab: s-nail 14.9.22, s-nail 14.9.24, s-nail 14.9.25
date   = 2026-11
sig    = hello=EHLO @;tls=OpenSSL;settings=default;hints=3emt;pad=no;rec=e/n/n|e/n/n/6;write=date;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO @|HELO @;starttls=no;tls=OpenSSL;settings=default;hints=3emt;pad=no;rec=e/n/n/6;write=date;dot=alone|crlf;next=/Q;end=alert
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=DFT?S?IU?|DFT?S?IU?MCE;write=date;next=/Q;refused=$;quit=QUIT;end=quit
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=date;next=/Q;refused=$;quit=QUIT;end=quit

label  = s:library:EventMachine:
source = tools/dialectlab: EventMachine 1.3
date   = 2026-11
sig    = hello=EHLO @;mail=MAIL FROM: <>;rcpt=RCPT TO: <>;data=DATA;flow=M/R/D/.;write=one;dot=with;next=/Q;refused=Q/$;quit=QUIT
sig    = hello=EHLO @;nohello=Q;flow=Q;quit=QUIT;end=quit!
sig    = hello=EHLO @;tls=OpenSSL;settings=other;hints=3emt;pad=yes;rec=e/n/n/6;write=one;dot=with;next=/Q;end=noalert

label  = s:mta:Sendmail:
source = tools/dialectlab: Sendmail 8.15.2, Sendmail 8.17.1.9, Sendmail 8.18.1
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL From:<> SIZE= AUTH=;rcpt=RCPT To:<>;data=DATA;flow=M/R+D/.;header=relayed;write=one;dot=alone|crlf;next=/Q|/S;refused=S/Q|S/S;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL From:<> SIZE= AUTH=;rcpt=RCPT To:<>;data=DATA;flow=M/R+D/.;write=one;dot=alone|crlf;next=/Q|/S;refused=S/Q|S/S;quit=QUIT;end=quit
sig    = hello=EHLO @;tls=OpenSSL;settings=default;hints=3em;pad=no;rec=e/n/n|e/n/n/6/6;write=one;dot=alone|crlf|with;next=/M|/Q;end=noalert

label  = s:library:Tcllib smtp:1.21 and older
source = tools/dialectlab: Tcllib 1.20, Tcllib 1.21
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=MS?FDIC;write=one;dot=alone|crlf;next=/Q;refused=S/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;tls=OpenSSL;settings=default;hints=3emt;pad=yes;rec=e/n/n/6|e/n/n/6/6;write=one;dot=alone|crlf;next=/Q;end=noalert

label  = s:library:Tcllib smtp:2.0 and newer
source = tools/dialectlab: Tcllib 2.0
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=MS?FDIC;write=one;dot=alone|crlf;next=/Q;refused=S/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;tls=OpenSSL;settings=default;hints=3emt;rec=e/n/n/6|e/n/n/6/6;write=one;dot=alone|crlf;next=/Q;end=alert

label  = s:tool:sendEmail:
source = tools/dialectlab: sendEmail 1.56
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=IFT?S?DX?MC;write=parts;next=/Q;refused=$;quit=QUIT;end=quit!
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=parts;next=/Q;refused=$;quit=QUIT;end=quit!
sig    = hello=EHLO @;tls=OpenSSL;settings=default;hints=emot;rec=e/n/n|e/n/n/6;write=parts;dot=alone|crlf;next=/Q
sig    = hello=EHLO @;tls=OpenSSL;settings=default|other;hints=3emot;pad=yes;rec=e/n/n|e/n/n/6;write=parts;dot=alone|crlf;next=/Q

label  = s:mua:fetchmail:
source = tools/dialectlab: fetchmail 6.4.16, fetchmail 6.4.37, fetchmail 6.4.39
date   = 2026-11
sig    = hello=EHLO @;mail=MAIL FROM:<> SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=relayed;write=lines;next=/M|/Q;refused=S/Q;quit=QUIT;end=quit
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=relayed;write=lines;next=/Q;quit=QUIT;end=quit

label  = s:tool:smtp-source:
source = tools/dialectlab: smtp-source 3.10.13, smtp-source 3.5.25, smtp-source 3.7.11
date   = 2026-11
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=rst
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=FT?DI';write=one;dot=with;next=/M|/Q;refused=$;quit=QUIT;end=quit!
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=given;write=one;dot=with;next=/M|/Q;refused=$;quit=QUIT;end=quit!

label  = s:tool:Bacula bsmtp:
source = tools/dialectlab: bsmtp 15.0.3, bsmtp 9.6.7
date   = 2026-11
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=FS?T?D|FS?T?MCI'D;write=one;dot=with;next=/Q;refused=$;quit=QUIT;end=quit
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=with;next=/Q;refused=$;quit=QUIT;end=quit

label  = s:mua:FLIM smtp.el:
source = tools/dialectlab: FLIM 1.14.9
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> SIZE= BODY=8BITMIME;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$|Q/$;quit=QUIT;end=fin|quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> SIZE= BODY=8BITMIME;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=lines;next=/Q;refused=$|Q/$;quit=QUIT;end=quit

label  = s:library:LuaSocket:
source = tools/dialectlab: LuaSocket 3.0, LuaSocket 3.1.0
date   = 2026-11
sig    = hello=EHLO localhost;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=EHLO localhost;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=DMS?CX?;write=parts;dot=alone|crlf;next=/Q;refused=$;quit=QUIT;end=quit

label  = s:library:Mail-Sendmail:
source = tools/dialectlab: Mail::Sendmail 0.80
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=*CDEFM'S?T?;write=lines;dot=alone|crlf;next=+Q|/Q;refused=$;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=lines;dot=alone|crlf;next=+Q|/Q;refused=$;quit=QUIT;end=quit

label  = s:monitor:Monit:
source = tools/dialectlab: Monit 5.33.0
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM: <>;rcpt=RCPT TO: <>;data=DATA;flow=M/R/D/.;header=FT?S?DX?MCEI';write=lines;next=/Q;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM: <>;rcpt=RCPT TO: <>;data=DATA;flow=M/R/D/.;write=lines;next=/Q;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;tls=OpenSSL;settings=other;hints=3emt;pad=no;rec=e/n/n/6;write=lines;dot=alone|crlf;next=/Q;end=alert

label  = s:mua:Alpine:
source = tools/dialectlab: alpine 2.24, alpine 2.26
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=S/$|S/Q;quit=QUIT;end=fin|quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=DFT?S?IMC;write=lines;next=/Q;refused=S/$|S/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;tls=OpenSSL;settings=default;hints=3emt;pad=no;sni=yes;rec=e/n/n/6;write=lines;dot=alone|crlf;next=/Q;end=alert

label  = s:library:commons-net:
source = tools/dialectlab: commons-net 3.11.1, commons-net 3.6
date   = 2026-11
sig    = hello=EHLO @;nohello=M;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=with;next=/M|/Q;refused=D/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=JSSE;settings=default;hints=3motv;pad=no;rec=e/n/n/6;write=one;dot=with;next=/Q;end=alert
sig    = hello=EHLO @;tls=JSSE;settings=default;hints=3motv;pad=no;rec=e/n/n/6|e/n/n/6/6;write=one;dot=with;next=/M|/Q;end=alert

label  = s:tool:gsasl:
source = tools/dialectlab: gsasl 1.10.0, gsasl 2.2.0, gsasl 2.2.2
date   = 2026-11
sig    = hello=EHLO [127.0.0.1];nohello=$;flow=$|x~Q;quit=QUIT
sig    = hello=EHLO [127.0.0.1];tls=GnuTLS;settings=default;hints=3elmot;pad=no;sni=yes;rec=n2/n2/n2/2/n|n2/n2/n2/2n;end=alert

label  = s:tool:postal:
source = tools/dialectlab: postal 0.76
date   = 2026-11
sig    = hello=EHLO @;mail=MAIL FROM: <>;rcpt=RCPT TO: <>;data=DATA;flow=M/R/D/.;write=parts;next=/Q;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=Q;flow=$|Q;quit=QUIT;end=fin|quit

label  = s:library:vertx-mail-client:
source = tools/dialectlab: vertx-mail-client 4.5.28, vertx-mail-client 5.0.7
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M+R+D/.;header=MIDS?FT?CE;write=parts;dot=alone|crlf;next=/Q|/S;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=JSSE;settings=default;hints=3motv;pad=no;rec=e/n;write=parts;dot=alone|crlf;next=/Q;end=noalert
sig    = hello=EHLO @;tls=JSSE;settings=default;hints=3motv;pad=no;rec=e/n|e/n/6|e/n/n;write=parts;dot=alone|crlf;next=/Q

label  = s:library:Horde_Smtp:
source = tools/dialectlab: Horde_Smtp 1.9.6
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> SIZE= BODY=8BITMIME?;rcpt=RCPT TO:<>;data=DATA;flow=M+R/D/.;write=one;dot=alone|crlf;next=/M|/Q;refused=S/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=PHP;hints=3emt;pad=yes;sni=yes;rec=e/n/6;write=one;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=PHP;hints=3emt;pad=yes;sni=yes;rec=e/n/6|e/n/6/6|e/n/n/6;write=one;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=PHP;hints=emt;pad=yes;sni=yes;rec=e/n/6|e/n/6/6|e/n/n/6;write=one;dot=alone|crlf;next=/Q;end=alert

label  = s:library:Swift Mailer:
source = tools/dialectlab: Swift Mailer 6.2.4, Swift Mailer 6.3.0
date   = 2026-11
sig    = hello=EHLO [127.0.0.1];nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R+D-;refused=$|D/$|D/Q|Q/$;quit=QUIT;end=fin|quit
sig    = hello=EHLO [127.0.0.1];nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M~R~D/.;header=IDS?FT?MCE;write=parts;dot=alone|crlf;next=/M|/Q;refused=$|D/$|D/Q|Q/$;quit=QUIT;end=quit
sig    = hello=EHLO [127.0.0.1];starttls=no;tls=OpenSSL;settings=PHP;hints=3emt;pad=yes;sni=yes;rec=e/n/n/6;write=parts;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO [127.0.0.1];tls=OpenSSL;settings=PHP;hints=emt;pad=yes;sni=yes;rec=e/n/n/6|e/n/n/6/6|e/n/n/n6|e/n/n6;write=parts;dot=alone|crlf;next=/Q;end=alert

label  = s:library:go-mail:
source = tools/dialectlab: go-mail 0.5.2, go-mail 0.7.2
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> BODY=8BITMIME SMTPUTF8;rcpt=RCPT TO:<>;data=DATA;flow=N/M/R/D/.;header=DMIS?U?X?FT?CE|DMIS?U?X?FT?EC;write=one;dot=alone|crlf|with;next=/N;refused=S/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> BODY=8BITMIME SMTPUTF8;rcpt=RCPT TO:<>;data=DATA;flow=N/M/R/D/.;write=one;dot=alone|crlf|with;next=/N;refused=S/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=Go;settings=default;hints=3mo;rec=e/6;write=one;dot=with;next=/M;end=alert
sig    = hello=EHLO @;tls=Go;settings=default;hints=3mo;rec=e/6|e/n/6;write=one;dot=with;next=/M;end=alert

label  = s:monitor:keepalived:
source = tools/dialectlab: keepalived 2.2.7
date   = 2026-11
sig    = hello=HELO @;flow=$;end=rst
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M$|M/R-;refused=Q/$;quit=QUIT;end=quit|rst
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M$|M/R/D/.;header=DFS?X?T?;write=one;dot=with;next=/Q;refused=Q/$;quit=QUIT;end=quit
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M$|M/R/D/.;write=one;dot=with;next=/Q;refused=Q/$;quit=QUIT;end=quit

label  = s:library:Gambas:
source = tools/dialectlab: Gambas 3.18.0, Gambas 3.20.2
date   = 2026-11
sig    = hello=EHLO @;mail=MAIL FROM: <>;rcpt=RCPT TO: <>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=EHLO @;mail=MAIL FROM: <>;rcpt=RCPT TO: <>;data=DATA;flow=M/R/D/.;header=DFS?T?MCPE;write=lines;next=/Q;refused=$;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=default;hints=3emt;pad=no;rec=e/n/n/n2/n/6|e/n2/n2/6;write=one;dot=with;next=/M;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=default;hints=3emt;pad=no;rec=e2/n/n|e2/n/n2/n2/n/n|n/n/n|n/n/n/6|n/n/n/n2/n/6|n/n/n/n2/n/n|n/n/n2/6|n/n2/n/6|n/n2/n/n2/nn/n;write=lines|one|parts;dot=with;next=/M|/Q

label  = s:mta:ssmtp:
source = tools/dialectlab: ssmtp 2.64
date   = 2026-11
sig    = hello=EHLO @;tls=GnuTLS;settings=default;hints=3elmot;pad=no;rec=e/n/n|e/n/n/6;write=lines;dot=alone|crlf;next=/Q;end=noalert
sig    = hello=EHLO @|HELO @;starttls=no;tls=GnuTLS;settings=default;hints=3elmot;pad=no;rec=e/n/n/6;write=lines;dot=alone|crlf;next=/Q;end=noalert
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=relayed;write=lines;dot=alone|crlf;next=/Q;refused=$;quit=QUIT;end=quit
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=lines;dot=alone|crlf;next=/Q;refused=$;quit=QUIT;end=quit

label  = s:mta:libESMTP:
source = tools/dialectlab: esmtp 1.2
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=BDAT|DATA;flow=M/R/B|M/R/D/.;write=one;dot=with;next=/Q;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;tls=OpenSSL;settings=default;hints=3emt;pad=no;rec=6;end=alert

label  = s:mta:mlmmj:
source = tools/dialectlab: mlmmj 1.3.0
date   = 2026-11
sig    = hello=EHLO @;flow=Q;quit=QUIT;end=quit!
sig    = hello=EHLO @;nohello=S;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=S/$;quit=QUIT;end=fin
sig    = hello=EHLO @;nohello=S;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.|S/M/R/D/.;header=relayed;write=lines|parts;next=/Q;refused=S/$;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=S;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.|S/M/R/D/.;write=lines|parts;next=/Q;refused=S/$;quit=QUIT;end=quit
sig    = hello=HELO @;mail=MAIL FROM:<>;flow=M~S$;end=fin|rst
sig    = hello=HELO @;mail=MAIL FROM:<>;flow=M~S$;header=relayed;end=fin|rst

label  = s:library:Pike:
source = tools/dialectlab: Pike 8.0.1738, Pike 8.0.1956
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM: <>;rcpt=RCPT TO: <>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM: <>;rcpt=RCPT TO: <>;data=DATA;flow=M/R/D/.;write=one;dot=with;next=/Q;refused=$;quit=QUIT;end=quit

label  = s:mua:fdm:
source = tools/dialectlab: fdm 1.9
date   = 2026-11
sig    = hello=HELO @;flow=Q;quit=QUIT;end=quit!
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=Q/$;quit=QUIT;end=quit!
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=relayed;write=one;dot=with;next=/Q;refused=Q/$;quit=QUIT;end=quit

label  = s:library:newLISP:
source = tools/dialectlab: newLISP 10.7.5
date   = 2026-11
sig    = hello=HELO @;mail=MAIL FROM: <>;rcpt=RCPT TO: <>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=HELO @;mail=MAIL FROM: <>;rcpt=RCPT TO: <>;data=DATA;flow=M/R/D/.;header=T^?F^S^?X?;write=lines;next=/Q;refused=$;quit=QUIT;end=quit
sig    = hello=HELO @;mail=MAIL FROM: <>;rcpt=RCPT TO: <>;data=DATA;flow=M/R/D/.;write=lines;next=/Q;refused=$;quit=QUIT;end=quit

label  = s:library:PicoLisp:
source = tools/dialectlab: PicoLisp 23.2, PicoLisp 25.3
date   = 2026-11
sig    = hello=HELO @;flow=$;end=fin
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=FT?S?U?MCE;write=one;dot=with;next=/Q;refused=$;quit=QUIT;end=quit

label  = s:library:sendmailR:
source = tools/dialectlab: sendmailR 1.4
date   = 2026-11
sig    = hello=HELO  fqdn;mail=MAIL FROM:  <>;rcpt=RCPT TO:  <>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=HELO  fqdn;mail=MAIL FROM:  <>;rcpt=RCPT TO:  <>;data=DATA;flow=M/R/D/.;header=FT?S?DMC;write=lines;next=/Q;refused=$;quit=QUIT;end=quit
sig    = hello=HELO  fqdn;mail=MAIL FROM:  <>;rcpt=RCPT TO:  <>;data=DATA;flow=M/R/D/.;write=lines;next=/Q;refused=$;quit=QUIT;end=quit

label  = s:library:Mono System.Net.Mail:
source = tools/dialectlab: Mono 6.12.0.199, Mono 6.8.0.105
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=DFT?S?MC|DFT?S?MCE;write=date;dot=alone|crlf;next=/Q;refused=$;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=date;dot=alone|crlf;next=/Q;refused=$;quit=QUIT;end=quit

label  = s:library:Racket net/smtp:
source = tools/dialectlab: Racket 8.16, Racket 8.7
date   = 2026-11
sig    = hello=EHLO localhost;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=EHLO localhost;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=with;next=/Q;refused=$;quit=QUIT;end=quit
sig    = hello=EHLO localhost;tls=OpenSSL;settings=default;hints=3emt;pad=no;sni=yes;rec=en2;write=lines;dot=alone|crlf;next=/M;end=noalert

label  = s:library:emailjs-smtp-client:
source = tools/dialectlab: emailjs-smtp-client 2.0.1
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=alone|crlf;next=/M|/Q;refused=$;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=Node.js;hints=3emt;pad=no;rec=e/n/n/6;write=one;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=Node.js;hints=3emt;pad=no;rec=e/n/n|e/n/n/6;write=one;dot=alone|crlf;next=/Q;end=alert

label  = s:library:simplesmtp:
source = tools/dialectlab: Nodemailer 0.7.1
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=Q/$;quit=QUIT
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=X?DI'FT?S?CEM;write=parts;dot=alone|crlf;next=/M|/Q;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=parts;dot=alone|crlf;next=/M|/Q;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=Node.js;hints=3emt;pad=no;rec=e/n/n/6;write=parts;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=Node.js;hints=3emt;pad=no;rec=e/n/n/6;write=parts;dot=alone|crlf;next=/Q;end=alert

label  = s:library:smtp-client:
source = tools/dialectlab: smtp-client 0.4.0
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=with;next=/M|/Q;refused=$;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=Node.js;hints=3emt;pad=no;rec=e/n/n/6;write=one;dot=with;next=/Q;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=Node.js;hints=3emt;pad=no;rec=e/n/n|e/n/n/6;write=one;dot=with;next=/Q

label  = s:mta:Haraka:
source = tools/dialectlab: Haraka 3.3.4
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=relayed;write=one;dot=alone|crlf;next=/Q;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=alone|crlf;next=/Q;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;tls=OpenSSL;settings=Node.js;hints=3emt;pad=no;rec=e/n/n/6;write=one;dot=alone|crlf;next=/Q;end=noalert

label  = s:library:Nim std/smtp:
source = tools/dialectlab: Nim 1.6.10
date   = 2026-11
sig    = hello=HELO @;flow=x$;end=rst
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA_;flow=M/R-;refused=x/$;quit=QUIT;end=fin
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA_;flow=M/R/D/.;write=one;dot=alone|crlf;next=/M|/Q;refused=x/$;quit=QUIT;end=quit!
sig    = hello=HELO @;starttls=no;tls=OpenSSL;settings=other;hints=3emt;rec=e/n/n;write=one;dot=alone|crlf;next=/Q;end=alert
sig    = hello=HELO @;tls=OpenSSL;settings=other;hints=3emt;rec=e/n/n;write=one;dot=alone|crlf;next=/Q

label  = s:library:go-simple-mail:
source = tools/dialectlab: go-simple-mail 2.16
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> BODY=8BITMIME SMTPUTF8 SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=*CDEFMS?T?;write=one;dot=with;next=/Q|/S;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> BODY=8BITMIME SMTPUTF8 SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=with;next=/Q|/S;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=Go;settings=default;hints=3mo;rec=e/n/n/6;write=one;dot=with;next=/Q;end=alert
sig    = hello=EHLO @;tls=Go;settings=default;hints=3mo;rec=e/n/n/6;write=one;dot=with;next=/Q;end=alert

label  = s:library:npm sendmail:
source = tools/dialectlab: sendmail.js 1.6.1
date   = 2026-11
sig    = hello=EHLO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=EHLO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=CFT?S?IEDM;write=one;dot=alone|crlf;next=/Q;refused=$;quit=QUIT
sig    = hello=EHLO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=alone|crlf;next=/Q;refused=$;quit=QUIT

label  = s:mua:GNU Mailutils:
source = tools/dialectlab: mailutils 3.15
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=S?T?U?D;write=one;dot=with;next=/Q;refused=S/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=with;next=/Q;refused=S/Q;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=GnuTLS;settings=default;hints=3elmot;pad=no;rec=e/n/n/6;write=one;dot=with;next=/Q;end=alert
sig    = hello=EHLO @;tls=GnuTLS;settings=default;hints=3elmot;pad=no;rec=e/n/n/6|e/n/n/6/6;write=one;dot=with;next=/Q

label  = s:library:LibEtPan:
source = tools/dialectlab: LibEtPan 1.9.4
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> RET= SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=with;next=/Q|/x;refused=Q/$;quit=QUIT;end=quit!
sig    = hello=EHLO @;starttls=no;tls=GnuTLS;settings=default;hints=3elmot;pad=no;rec=e/n/n/6;write=one;dot=with;next=/Q;end=noalert
sig    = hello=EHLO @;tls=GnuTLS;settings=default;hints=3elmot;pad=no;rec=e/6|e/n/n/6;write=one;dot=with;next=/Q;end=noalert

label  = s:library:POCO:
source = tools/dialectlab: POCO 1.11.0
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM: <>;rcpt=RCPT TO: <>;data=DATA;flow=M/R/D/.;header=DCFS?ET?;write=one;dot=with;next=/Q;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM: <>;rcpt=RCPT TO: <>;data=DATA;flow=M/R/D/.;write=one;dot=with;next=/Q;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=OpenSSL;settings=other;hints=3emt;pad=yes;sni=yes;rec=e/n/n/6;write=one;dot=with;next=/Q;end=alert
sig    = hello=EHLO @;tls=OpenSSL;settings=other;hints=3emt;pad=yes;sni=yes;rec=e/n/n/6;write=one;dot=with;next=/Q;end=alert

label  = s:library:Haskell smtp-mail:
source = tools/dialectlab: smtp-mail 0.3.0.0
date   = 2026-11
sig    = hello=EHLO @;nohello=E;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=FT?S?MCE;write=lines;next=/Q;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;nohello=E;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=lines;next=/Q;refused=Q/$;quit=QUIT;end=quit
sig    = hello=EHLO @;starttls=no;tls=?;settings=other;hints=3hm;pad=no;sni=yes;rec=e/n/n/6;write=lines;dot=alone|crlf;next=/Q;end=alert
sig    = hello=EHLO @;tls=?;settings=other;hints=3hm;pad=no;sni=yes;rec=e/n/n/6;write=lines;dot=alone|crlf;next=/Q;end=alert

label  = s:library:Ant MailMessage:
source = tools/dialectlab: Ant mail 1.10.13
date   = 2026-11
sig    = hello=HELO @;mail=MAIL FROM: <>;rcpt=RCPT TO: <>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=HELO @;mail=MAIL FROM: <>;rcpt=RCPT TO: <>;data=DATA;flow=M/R/D/.;header=S?DCFT?X?;write=lines;dot=alone|crlf;next=/Q;refused=$;quit=QUIT;end=quit
sig    = hello=HELO @;mail=MAIL FROM: <>;rcpt=RCPT TO: <>;data=DATA;flow=M/R/D/.;write=lines;dot=alone|crlf;next=/Q;refused=$;quit=QUIT;end=quit

label  = s:tool:rsyslog ommail:
source = tools/dialectlab: rsyslog ommail 8.2302.0
date   = 2026-11
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=DFT?S?X?;write=date;next=/Q;refused=$;quit=QUIT;end=quit
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=date;next=/Q;refused=$;quit=QUIT;end=quit

label  = s:monitor:smtpping:
source = tools/dialectlab: smtpping 1.1.4
date   = 2026-11
sig    = hello=HELO localhost.localdomain;mail=MAIL FROM: <>;rcpt=RCPT TO: <>;data=DATA;flow=M/R-;refused=$;quit=QUIT;end=fin
sig    = hello=HELO localhost.localdomain;mail=MAIL FROM: <>;rcpt=RCPT TO: <>;data=DATA;flow=M/R/D/.;header=S?CFT?;write=bulk;next=/Q;refused=$;quit=QUIT;end=quit
sig    = hello=HELO localhost.localdomain;mail=MAIL FROM: <>;rcpt=RCPT TO: <>;data=DATA;flow=M/R/D/.;write=bulk;next=/Q;refused=$;quit=QUIT;end=quit

label  = s:monitor:HAProxy alert:
source = tools/dialectlab: HAProxy alert 2.6.12
date   = 2026-11
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M!R$|M/R-;refused=$;quit=QUIT;end=rst
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M!R$|M/R/D/.;header=FT?DS?;write=one;dot=with;next=/Q;refused=$;quit=QUIT
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M!R$|M/R/D/.;write=one;dot=with;next=/Q;refused=$;quit=QUIT

label  = s:monitor:HAProxy check:
source = tools/dialectlab: HAProxy check 2.6.12
date   = 2026-11
sig    = hello=EHLO @;flow=$;end=fin
sig    = hello=EHLO @;nohello=$;flow=$|Q;quit=QUIT;end=fin|quit

label  = s:monitor:Monit check:
source = tools/dialectlab: Monit check 5.33.0
date   = 2026-11
sig    = hello=EHLO localhost;nohello=H;flow=Q;quit=QUIT;end=quit

label  = s:tool:Tripwire:
source = tools/dialectlab: tripwire 2.4.3.7
date   = 2026-11
sig    = hello=HELO @;flow=$;end=fin
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=MDFT?S?CE;write=parts;next=/x;refused=$;end=fin
sig    = hello=HELO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=parts;next=/x;refused=$;end=fin

label  = s:mta:nginx mail proxy:
source = tools/dialectlab: nginx 1.22.1
date   = 2026-11
sig    = hello=EHLO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=one;dot=alone|crlf;next=/Q;refused=Q/$;quit=QUIT;end=quit

label  = s:library:VMime:
source = tools/dialectlab: VMime 0.9.2
date   = 2026-11
sig    = hello=EHLO @;nohello=H;mail=MAIL FROM:<> SMTPUTF8 SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M~R~D/.;write=one;dot=alone|crlf;next=/Q;refused=Q/$;quit=QUIT;end=quit!
