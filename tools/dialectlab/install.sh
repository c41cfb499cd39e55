# What the lab installs, for scripts/lab-dialects.
# shellcheck shell=bash

mail="mutt neomutt s-nail msmtp swaks sendemail curl git-email nmh mailutils alpine emacs-nox fetchmail esmtp gsasl bsd-mailx ssmtp
	monitoring-plugins-basic postal bacula-common netcat-openbsd socat openssl gnutls-bin busybox nmap hydra medusa"
libraries="php-cli libphp-phpmailer php-net-smtp php-symfony-mailer libemail-sender-perl libmime-lite-perl libmail-sendmail-perl
	libnet-smtps-perl libio-socket-ssl-perl ruby-mail ruby-eventmachine lua-socket lua5.1 lua-sec tcllib tcl-tls python3"
languages="pike8.0 newlisp picolisp gambas3-gb-net-smtp gambas3-script gambas3-gb-net gambas3-gb-jit mono-mcs mono-runtime ca-certificates-mono r-cran-sendmailr racket"

# overlay NAME BASE PACKAGES…: a system of its own for each mail server. It has
# a host name while it installs: some packages ask for it.
overlay() {
	local name=$1 base=$2
	shift 2
	local o=$lab/ov/$name d
	mkdir -p "$o"/{up,work,root}
	mountpoint -q "$o/root" || mount -t overlay overlay -o "lowerdir=$lab/$base,upperdir=$o/up,workdir=$o/work" "$o/root"
	for d in proc dev dev/pts; do
		mountpoint -q "$o/root/$d" || mount --bind "/$d" "$o/root/$d"
	done
	[ "$install" = 1 ] || return 0
	cp "$lab/hosts" "$o/root/etc/hosts"
	cp /etc/resolv.conf "$o/root/etc/resolv.conf"
	printf '%s\n' 'postfix postfix/main_mailer_type select No configuration' 'nullmailer shared/mailname string client.example.org' \
		'nullmailer nullmailer/relayhost string mx.example.net' 'dma dma/relayhost string' 'tripwire tripwire/rebuild-config boolean false' \
		'tripwire tripwire/use-sitekey boolean false' 'tripwire tripwire/use-localkey boolean false' 'tripwire tripwire/rebuild-policy boolean false' |
		chroot "$o/root" debconf-set-selections
	unshare -u sh -c 'hostname client.example.org; exec "$@"' sh chroot "$o/root" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends "$@" >"$o/log" 2>&1 </dev/null || say "$name: $(tail -1 "$o/log")"
}

# shellcheck disable=SC2086
systems() {
	mkdir -p "$lab"
	printf '127.0.0.1 localhost\n127.0.0.2 pop.example.org\n198.18.0.1 client.example.org client\n' >"$lab/hosts"
	local r n b
	for r in bullseye bookworm trixie; do
		[ -d "$lab/$r/usr" ] || debootstrap --variant=minbase "$r" "$lab/$r" >/dev/null
		printf '#!/bin/sh\nexit 101\n' >"$lab/$r/usr/sbin/policy-rc.d"
		chmod 755 "$lab/$r/usr/sbin/policy-rc.d"
		[ "$install" = 0 ] || chroot "$lab/$r" apt-get update -qq
	done
	for b in 11:bullseye 12:bookworm 13:trixie; do
		n=${b%:*} b=${b#*:}
		overlay postfix$n $b postfix
		overlay exim$n $b exim4-daemon-light
		overlay exim${n}h $b exim4-daemon-heavy
		overlay opensmtpd$n $b opensmtpd
		overlay sendmail$n $b sendmail-bin sendmail-base
		overlay nullmailer$n $b nullmailer
		overlay dma$n $b dma
		overlay chasquid$n $b chasquid curl
		overlay submissiond$n $b dovecot-submissiond python3
		overlay courier$n $b courier-mta
	done
	overlay tools11 bullseye $mail $libraries fdm php-swiftmailer php-horde-smtp php-horde-mime php-mbstring
	overlay tools12 bookworm $mail $libraries fdm php-swiftmailer php-horde-smtp php-horde-mime php-mbstring aerc wl-beta patator telnet mlmmj rsyslog monit tripwire
	overlay tools13 trixie $mail $libraries aerc patator
	overlay langs12 bookworm $languages nim gcc libc6-dev
	overlay langs13 trixie $languages
	overlay cpp12 bookworm g++ libpoco-dev libvmime-dev libetpan-dev pkgconf libgnutls28-dev libssl-dev
	overlay misc12 bookworm keepalived haproxy nginx libnginx-mod-mail ant default-jre-headless prometheus-alertmanager curl smtpping
	overlay hs12 bookworm ghc libghc-smtp-mail-dev
}

# prepare: the recorder, its certificate, messages, and what the overlays run.
prepare() {
	mkdir -p "$data"
	(cd "$here" && GOWORK=off CGO_ENABLED=0 go build -o "$lab/dialectlab" .) || exit 1
	local names
	names=$(seq -s, -f 'IP:198.18.1.%g' 1 30),$(seq -s, -f 'IP:2001:db8::%g' 1 30)
	[ -e "$lab/mx.pem" ] && openssl x509 -in "$lab/mx.pem" -noout -ext subjectAltName | grep -q 198.18.1.30 ||
		openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=mx.example.net -addext "subjectAltName=DNS:mx.example.net,$names" \
			-keyout "$lab/mx.key" -out "$lab/mx.pem" 2>/dev/null
	local o t=$lab/files
	mkdir -p "$t"
	"$lab/dialectlab" messages "$t" || exit 1
	for o in 1 2; do
		printf 'From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\nFrom: Sender <sender@example.org>\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nSubject: [PATCH] x\n\ntext\n---\n' >"$t/$o.patch"
	done
	cp "$lab/mx.pem" "$lab/dialectlab" "$t/"
	for o in "$lab"/ov/*/root; do
		mkdir -p "$o/tmp/lab"
		cp -r "$t/." "$here/clients/." "$o/tmp/lab/"
		chmod 777 "$o/tmp/lab"
		cp "$lab/hosts" "$o/etc/hosts"
		echo 'nameserver 127.0.0.1' >"$o/etc/resolv.conf"
		grep -qs mx.example.net "$o/etc/ssl/certs/lab" || { mkdir -p "$o/etc/ssl/certs"; cat "$lab/mx.pem" >>"$o/etc/ssl/certs/ca-certificates.crt"; echo mx.example.net >"$o/etc/ssl/certs/lab"; }
	done
	mkdir -p /tmp/lab
	cp -r "$t/." /tmp/lab/
	builds
}

# venv NAME PYTHON PACKAGES…: a Python with packages.
venv() {
	local d=$lab/pyl/$1 py
	py=$(ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$2".*/bin/python 2>/dev/null | tail -1)
	shift 2
	[ -e "$d/ok" ] || { "$py" -m venv "$d" && "$d/bin/pip" install -q "$@" && touch "$d/ok"; } >/dev/null 2>&1
}

# npm_ PACKAGE VERSION
npm_() {
	local d=$lab/npml/${1//\//_}-$2
	[ -e "$d/ok" ] || (mkdir -p "$d" && cd "$d" && echo '{}' >package.json && npm install --ignore-scripts --silent --no-package-lock "$1@$2" >/dev/null && touch ok)
}

builds() {
	[ "$install" = 1 ] || return 0
	local v w
	venv aiosmtplib-1.1.7 3.9 aiosmtplib==1.1.7
	venv aiosmtplib-2.0.2 3.11 aiosmtplib==2.0.2
	venv aiosmtplib-3.0.2 3.12 aiosmtplib==3.0.2
	venv aiosmtplib-4.0.2 3.13 aiosmtplib==4.0.2
	venv twisted-20.3.0 3.8 twisted==20.3.0 pyopenssl==20.0.1 cryptography==3.4.8 service_identity==18.1.0
	venv twisted-22.10.0 3.10 twisted==22.10.0 pyopenssl==23.3.0 cryptography==41.0.7 service_identity
	venv twisted-24.11.0 3.12 twisted==24.11.0 pyopenssl cryptography==44.0.3 service_identity
	venv django-4.2 3.10 django==4.2
	venv yagmail-0.15 3.11 yagmail==0.15.293
	venv redmail-0.6 3.12 redmail==0.6.0
	venv slimta-5 3.9 python-slimta==5.0.1
	for v in 0.7.1 1.11.0 2.7.2 3.1.8 4.7.0 5.1.1 6.4.18 6.9.16 7.0.11; do npm_ nodemailer $v; done
	for v in 1.0.12 2.2.0 3.8.0 4.0.3; do npm_ emailjs $v; done
	for v in smtp-client:0.4.0 emailjs-smtp-client:2.0.1 sendmail:1.6.1 deep-email-validator:0.1.21 email-verify:0.2.1 email-existence:0.1.6; do npm_ ${v%:*} ${v#*:}; done
	bash "$here/build.sh" "$lab" "$here/clients"
}
