# How each program of the lab is started, for scripts/lab-dialects. The function
# send_NAME gets the overlay it runs in ("" for this system) and arguments of
# its own, and in the environment
#
#   ADDR PORT   the server
#   TLS         "", starttls or smtps
#   LOGIN       1: log in as user, password secret
#   TO          recipients
#   MAILS       how many mails, in one connection where the program can
#   MSG         the message, a file in the overlay
#
# and ${variants[i]} is how the server behaves.
# features[NAME] says which of these it heeds: tls smtps login v6 rcpt3 mails2
# msg resume; parallel[NAME] how many may run at a time.
# shellcheck shell=bash disable=SC2016
declare -A features parallel
all="tls smtps login v6 rcpt3 mails2 msg"
from=sender@example.org

# Mail servers.

features[postfix]="tls smtps login v6 rcpt3 mails2 msg resume"
send_postfix() {
	local r=$1 etc=$lab/ov/$1/root/etc/postfix level=may
	[ "$TLS" != smtps ] || level=encrypt
	cp "$etc/master.cf.proto" "$etc/master.cf" 2>/dev/null
	printf '%s\n' 'compatibility_level = 2' 'myhostname = client.example.org' 'inet_interfaces = loopback-only' 'inet_protocols = all' \
		"relayhost = [$ADDR]:$PORT" "smtp_tls_security_level = $level" 'mydestination =' 'local_recipient_maps =' 'maximal_backoff_time = 300s' \
		'disable_dns_lookups = yes' 'alias_maps =' 'alias_database =' >"$etc/main.cf"
	[ "$TLS" != smtps ] || echo 'smtp_tls_wrappermode = yes' >>"$etc/main.cf"
	[ "$MAILS" = 1 ] || echo 'smtp_tls_session_cache_database = btree:${data_directory}/lab_scache' >>"$etc/main.cf"
	[ "$LOGIN" != 1 ] || printf '%s\n' 'smtp_sasl_auth_enable = yes' 'smtp_sasl_security_options =' "smtp_sasl_password_maps = inline:{{[$ADDR]:$PORT=user:secret}}" >>"$etc/main.cf"
	in_client "$r" bash -c "postfix start; for i in \$(seq $MAILS); do sendmail -f $from $TO < $MSG; [ $MAILS = 1 ] || sleep 1.5; done; sleep 1.5; postsuper -d ALL; postfix stop"
}

features[exim]="tls smtps v6 rcpt3 mails2 msg"
send_exim() { # as its own configuration: with -C it would lose its privileges
	local r=$1 conf=$lab/ov/$1/root/etc/exim4/exim4.conf
	printf '%s\n' 'primary_hostname = client.example.org' 'begin acl' 'begin routers' 'r:' '  driver = manualroute' \
		'  transport = t' "  route_list = * \"<+ $ADDR\"" '  self = send' 'begin transports' 't:' '  driver = smtp' "  port = $PORT" >"$conf"
	[ "$TLS" != smtps ] || echo '  protocol = smtps' >>"$conf"
	printf '%s\n' 'begin retry' '* * F,2h,15m' >>"$conf"
	in_client "$r" bash -c "rm -rf /var/spool/exim4/db/* /var/spool/exim4/input/*; if [ $MAILS = 2 ]; then exim4 -odq -f $from $TO < $MSG; exim4 -odq -f $from $TO < $MSG; exim4 -qq; else exim4 -odf -f $from $TO < $MSG; fi"
}

features[opensmtpd]="tls smtps rcpt3 mails2 msg"
send_opensmtpd() {
	local r=$1 url=smtp
	[ "$TLS" != smtps ] || url=smtps
	printf '%s\n' 'listen on lo' "action \"relay\" relay host \"$url://$ADDR:$PORT\"" 'match from any for any action "relay"' >"$lab/ov/$r/root/tmp/lab/smtpd.conf"
	in_client "$r" bash -c "rm -rf /var/spool/smtpd/queue/*; smtpd -d -f /tmp/lab/smtpd.conf & sleep 1; for i in \$(seq $MAILS); do sendmail -f $from $TO < $MSG; done; sleep 3"
}

features[sendmail]="tls rcpt3 mails2 msg"
send_sendmail() {
	local r=$1 etc=$lab/ov/$1/root/etc/mail
	printf '%s\n' 'divert(0)dnl' 'OSTYPE(debian)dnl' 'define(`confDOMAIN_NAME'"', \`client.example.org')dnl" "define(\`SMART_HOST', \`[$ADDR]')dnl" \
		'FEATURE(nocanonify)dnl' 'FEATURE(`accept_unresolvable_domains'"')dnl" 'MAILER(smtp)dnl' >"$etc/lab.mc"
	in_client "$r" bash -c "cd /etc/mail; mkdir -p -m 700 /var/spool/lab; echo 'hosts files' > /tmp/switch; touch aliases; m4 /usr/share/sendmail/cf/m4/cf.m4 lab.mc > lab.cf 2>/dev/null; S='sendmail -C /etc/mail/lab.cf -O AliasFile=/etc/mail/aliases -O QueueDirectory=/var/spool/lab -O HostStatusDirectory= -O ServiceSwitchFile=/tmp/switch'; if [ $MAILS = 2 ]; then \$S -odq -f $from $TO < $MSG; \$S -odq -f $from $TO < $MSG; \$S -q -v; else \$S -v -odi -f $from $TO < $MSG; fi; rm -f /var/spool/lab/*"
}

features[nullmailer]="tls smtps login rcpt3 mails2 msg"
send_nullmailer() {
	local opts="--port=$PORT"
	[ "$TLS" != starttls ] || opts="$opts --starttls --insecure"
	[ "$TLS" != smtps ] || opts="$opts --ssl --insecure"
	[ "$LOGIN" != 1 ] || opts="$opts --user=user --pass=secret"
	echo "$ADDR smtp $opts" >"$lab/ov/$1/root/etc/nullmailer/remotes"
	in_client "$1" bash -c "echo client.example.org > /etc/mailname; rm -f /var/spool/nullmailer/queue/*; [ -p /var/spool/nullmailer/trigger ] || mkfifo /var/spool/nullmailer/trigger; chmod 777 /var/spool/nullmailer/*; for i in \$(seq $MAILS); do nullmailer-inject -f $from $TO < $MSG; done; timeout 4 nullmailer-send"
}

features[dma]="tls smtps rcpt3 mails2 msg"
send_dma() {
	{
		printf '%s\n' "SMARTHOST $ADDR" "PORT $PORT" NULLCLIENT
		[ -z "$TLS" ] || echo SECURETRANSFER
		[ "$TLS" != starttls ] || echo STARTTLS
	} >"$lab/ov/$1/root/etc/dma/dma.conf"
	in_client "$1" bash -c "echo client.example.org > /etc/mailname; rm -f /var/spool/dma/*; for i in \$(seq $MAILS); do dma -D -f $from $TO < $MSG; done; sleep 1"
}

features[courier]="tls rcpt3 mails2 msg"
send_courier() { # it asks a resolver before it sends; it quits after 2 seconds instead of 60
	local e=$lab/ov/$1/root/etc/courier
	echo ":[$ADDR],$PORT" >"$e/esmtproutes"
	echo 2 >"$e/esmtptimeoutkeepalive"
	echo client.example.org >"$e/me"
	in_client "$1" bash -c "/tmp/lab/dialectlab dns $ADDR & mkdir -p /run/courier; rm -rf /var/lib/courier/msgq/* /var/lib/courier/msgs/*; courier start; sleep 1; for i in \$(seq $MAILS); do sendmail -f $from $TO < $MSG; done; sleep 6; courier stop"
}

features[chasquid]="tls rcpt3 mails2 msg"
send_chasquid() { # its exchanger is found by DNS: a resolver of the lab answers
	local c=$lab/ov/$1/root/tmp/lab/chasquid
	rm -rf "$c"
	mkdir -p "$c/certs/client.example.org" "$c/domains/client.example.org"
	cp "$lab/mx.pem" "$c/certs/client.example.org/fullchain.pem"
	cp "$lab/mx.key" "$c/certs/client.example.org/privkey.pem"
	printf '%s\n' 'hostname: "client.example.org"' 'smtp_address: "127.0.0.1:25"' 'submission_address: "127.0.0.1:587"' 'submission_over_tls_address: "127.0.0.1:465"' \
		'monitoring_address: ""' 'data_dir: "/tmp/lab/chasquid/data"' 'mail_log_path: "/dev/null"' >"$c/chasquid.conf"
	in_client "$1" bash -c "chmod -R 755 /tmp/lab/chasquid; /tmp/lab/dialectlab dns $ADDR & chasquid-util --configdir=/tmp/lab/chasquid user-add user@client.example.org --password=secret >/dev/null; chasquid -config_dir=/tmp/lab/chasquid & sleep 2; for i in \$(seq $MAILS); do curl -s -k --crlf --ssl-reqd smtp://127.0.0.1:587/client.example.org --user user@client.example.org:secret --mail-from user@client.example.org \$(printf -- ' --mail-rcpt %s' $TO) -T $MSG; done; sleep 2"
}

features[submissiond]="tls smtps rcpt3 mails2 msg"
send_submissiond() {
	local c=$lab/ov/$1/root/tmp/lab/dovecot.conf ssl=no new=
	case $TLS in starttls) ssl=starttls ;; smtps) ssl=smtps ;; esac
	case $(version "$1" dovecot-core) in 2.4*) new=1 ;; esac
	{
		[ -z "$new" ] || printf '%s\n' 'dovecot_config_version = 2.4.0' 'dovecot_storage_version = 2.4.0' 'auth_allow_cleartext = yes' 'passdb static {' '  password = secret' '}' 'userdb static {' '  fields {' '    uid = 65534' '    gid = 65534' '    home = /tmp/lab/home' '  }' '}' 'mail_driver = maildir' 'mail_path = /tmp/lab/maildir'
		[ -n "$new" ] || printf '%s\n' 'disable_plaintext_auth = no' 'passdb {' '  driver = static' '  args = password=secret' '}' 'userdb {' '  driver = static' '  args = uid=65534 gid=65534 home=/tmp/lab/home' '}' 'mail_location = maildir:/tmp/lab/maildir'
		printf '%s\n' 'protocols = submission' 'hostname = client.example.org' 'ssl = no' 'log_path = /dev/stderr' 'first_valid_uid = 1' 'service submission-login {' '  inet_listener submission {' '    port = 587' '  }' '}' \
			"submission_relay_host = $ADDR" "submission_relay_port = $PORT" "submission_relay_ssl = $ssl" 'submission_relay_ssl_verify = no' 'submission_relay_trusted = no'
	} >"$c"
	in_client "$1" bash -c "mkdir -p -m 777 /tmp/lab/maildir /tmp/lab/home; rm -f /run/dovecot/master.pid; dovecot -F -c /tmp/lab/dovecot.conf & sleep 1.5; TLS= LOGIN=1 ADDR=127.0.0.1 PORT=587 python3 /tmp/lab/smtplib_.py; sleep .5"
}

features[ssmtp]="tls smtps login rcpt3 msg"
send_ssmtp() {
	local c=$lab/ov/$1/root/tmp/lab/ssmtp.conf
	printf '%s\n' "mailhub=$ADDR:$PORT" 'hostname=client.example.org' 'FromLineOverride=YES' "UseTLS=$([ "$TLS" = '' ] && echo NO || echo YES)" "UseSTARTTLS=$([ "$TLS" = starttls ] && echo YES || echo NO)" >"$c"
	in_client "$1" bash -c "ssmtp -C/tmp/lab/ssmtp.conf -f$from ${LOGIN:+-auuser -apsecret} $TO < $MSG"
}

features[msmtp]=$all
parallel[msmtp]=3
send_msmtp() { # at times configured with a name; some mails have their date
	local t="--tls=off" a=
	[ "$TLS" != starttls ] || t="--tls=on --tls-starttls=on --tls-certcheck=off"
	[ "$TLS" != smtps ] || t="--tls=on --tls-starttls=off --tls-certcheck=off"
	[ "$LOGIN" != 1 ] || a="--auth=plain --user=user --passwordeval='echo secret'"
	case ${variants[i]} in rcpt450 | late | pieces | lines | retry) a=--domain=client.example.org ;; esac
	in_client "$1" bash -c "msmtp --host=$ADDR --port=$PORT $t $a -f $from $TO < $MSG"
}

features[esmtp]="tls login rcpt3 msg"
send_esmtp() {
	printf '%s\n' "hostname = $ADDR:$PORT" "starttls = $([ "$TLS" = starttls ] && echo enabled || echo disabled)" >"$lab/ov/$1/root/tmp/lab/esmtprc"
	[ "$LOGIN" != 1 ] || printf '%s\n' 'username = "user"' 'password = "secret"' >>"$lab/ov/$1/root/tmp/lab/esmtprc"
	in_client "$1" bash -c "chmod 600 /tmp/lab/esmtprc; HOME=/tmp esmtp -C /tmp/lab/esmtprc -f $from $TO < $MSG"
}

features[haraka]="tls rcpt3 msg"
send_haraka() { # ROOT DIRECTORY
	limit=40 in_client "" bash -c "d=\$(mktemp -d); cp -r $here/clients/haraka/. \$d; cp $2/node_modules/Haraka/config/connection.ini \$d/config/; cd \$d; mkdir -p queue; MX=$ADDR MXPORT=$PORT node $2/node_modules/Haraka/bin/haraka -c \$d & for i in \$(seq 80); do (: >/dev/tcp/127.0.0.1/2525) 2>/dev/null && break; sleep .2; done; ADDR=127.0.0.1 PORT=2525 TLS= LOGIN= python3 $here/clients/smtplib_.py; sleep 3"
}

# Programs of mail users.

features[mutt]="tls smtps login rcpt3 msg"
parallel[mutt]=3
send_mutt() { # ROOT PROGRAM
	local t=no url=smtp
	[ "$TLS" != starttls ] || t=yes
	[ "$TLS" != smtps ] || url=smtps
	in_client "$1" bash -c "sed 1,/^\$/d $MSG | HOME=/tmp $2 -n -F /dev/null -e 'set from=$from smtp_url=$url://${LOGIN:+user:secret@}$ADDR:$PORT copy=no ssl_starttls=$t ssl_force_tls=$t ssl_verify_host=no ssl_verify_dates=no ssl_ca_certificates_file=/tmp/lab/mx.pem certificate_file=/tmp/lab/mx.pem hostname=client.example.org' -s x $TO"
}

features[snail]="tls smtps login rcpt3 msg"
parallel[snail]=3
send_snail() {
	local t= a='-S smtp-auth=none' url=smtp
	[ "$TLS" != starttls ] || t='-S smtp-use-starttls -S tls-verify=ignore'
	[ "$TLS" != smtps ] || t='-S tls-verify=ignore' url=smtps
	[ "$LOGIN" != 1 ] || a='-S smtp-auth=plain'
	in_client "$1" bash -c "sed 1,/^\$/d $MSG | HOME=/tmp s-nail -:/ -S v15-compat -S mta=$url://${LOGIN:+user:secret@}$ADDR:$PORT $a -S smtp-config=-all,ehlo$([ "$TLS" = starttls ] && echo ,starttls)${LOGIN:+,plain} -S hostname=client.example.org -S from=$from $t -s x $TO"
}

features[alpine]="rcpt3"
send_alpine() { # a terminal and keys: composed by -I
	printf '%s\n' "smtp-server=$ADDR:$PORT/novalidate-cert" 'user-domain=example.org' 'personal-name=Sender' 'inbox-path=/tmp/lab/inbox' 'feature-list=send-without-confirm,quit-without-confirm,suppress-user-lookup-in-home,no-disable-sender' 'default-fcc=""' 'last-version-used=9.99' 'nntp-server=' >"$lab/ov/$1/root/tmp/lab/pinerc"
	in_client "$1" bash -c "mkdir -p /tmp/lab/home; export HOME=/tmp/lab/home TERM=vt100; touch /tmp/lab/inbox; { sleep 2; printf '^X' | tr -d '^X'; printf '\\030'; sleep 1; printf y; sleep 2; printf 'qy'; sleep 1; } | script -qc 'alpine -p /tmp/lab/pinerc -url mailto:${TO// /,}?subject=x\&body=x' /dev/null"
}

features[nmh]="tls smtps login rcpt3 msg"
send_nmh() {
	local t=-notls
	[ "$TLS" != starttls ] || t=-tls
	[ "$TLS" != smtps ] || t=-initialtls
	in_client "$1" bash -c "export HOME=/tmp/lab/nmh PATH=\$PATH:/usr/bin/mh:/usr/lib/mh:/usr/libexec/nmh; mkdir -p \$HOME/Mail; echo 'Path: Mail' > \$HOME/.mh_profile; printf 'machine $ADDR login user password secret\n' > \$HOME/.netrc; chmod 600 \$HOME/.netrc
		/usr/bin/mh/comp -build < /dev/null; D=\$HOME/Mail/draft; sed -i '/^Fcc:/d; /^cc:/d; s/^From:.*/From: $from/; s/^To:.*/To: ${TO// /, }/; s/^Subject:.*/Subject: x/' \$D; sed 1,/^\$/d $MSG >> \$D
		/usr/bin/mh/send -mts smtp -server $ADDR -port $PORT $t -nocertverify ${LOGIN:+-sasl -saslmech PLAIN -user user} \$D"
}

features[mailutils]="tls smtps login rcpt3 msg"
send_mailutils() {
	local url=smtp:
	[ "$TLS" != smtps ] || url=smtps:
	in_client "$1" bash -c "sed 1,/^\$/d $MSG | HOME=/tmp mail.mailutils -n --no-config -E 'set sendmail=\"$url//${LOGIN:+user:secret@}$ADDR:$PORT$([ "$TLS" = '' ] && echo ";notls")\"' -r $from -s x $TO"
}

features[aerc]="tls smtps login rcpt3 msg"
send_aerc() { # the part of aerc that sends, by its own command line: a terminal
	local c=$lab/ov/$1/root/tmp/lab/aerc url=smtp auth=
	rm -rf "$c"
	mkdir -p "$c/aerc"
	[ "$TLS" != smtps ] || url=smtps
	[ -n "$LOGIN" ] || auth=+none
	case $(version "$1" aerc)$TLS in
	0.[0-9].* | 0.1[0-4].*) ;;
	*starttls | *smtps) ;;
	*) url=smtp+insecure ;;
	esac
	printf '%s\n' '[lab]' "smtp-starttls = $([ "$TLS" = starttls ] && echo yes || echo no)" 'source = maildir:///tmp/lab/aercmail' "outgoing = $url$auth://${LOGIN:+user:secret@}$ADDR:$PORT" "from = Sender <$from>" >"$c/aerc/accounts.conf"
	printf '%s\n' '[general]' 'unsafe-accounts-conf=true' '[compose]' 'editor=true' 'no-attachment-warning=' >"$c/aerc/aerc.conf"
	in_client "$1" bash -c "mkdir -p /tmp/lab/aercmail/INBOX/{cur,new,tmp}; export SSL_CERT_FILE=/tmp/lab/mx.pem HOME=/tmp/lab/aerc XDG_CONFIG_HOME=/tmp/lab/aerc TERM=xterm; { sleep 2; printf ':compose -H \"To:${TO// /, }\" -H \"Subject:x\" x\\r'; sleep 2; printf 'y'; sleep 3; printf ':quit -f\\r'; sleep 1; } | script -qc 'stty cols 80 rows 24; aerc' /dev/null"
}

features[smtpmail]="tls smtps login rcpt3 msg"
parallel[smtpmail]=2
send_smtpmail() { # Emacs
	local t=nil
	[ "$TLS" != starttls ] || t="'starttls"
	[ "$TLS" != smtps ] || t="'ssl"
	in_client "$1" bash -c "printf 'machine $ADDR port $PORT login user password secret\n' > /tmp/lab/authinfo; sed 1,/^\$/d $MSG > /tmp/lab/text.\$\$; HOME=/tmp emacs --batch --eval \"(progn (require 'smtpmail) (require 'message) (setq network-security-level 'low gnutls-verify-error nil auth-sources '(\\\"/tmp/lab/authinfo\\\") smtpmail-smtp-server \\\"$ADDR\\\" smtpmail-smtp-service $PORT smtpmail-stream-type $t ${LOGIN:+smtpmail-smtp-user \\\"user\\\"} user-mail-address \\\"$from\\\" send-mail-function 'smtpmail-send-it message-send-mail-function 'smtpmail-send-it mail-host-address \\\"client.example.org\\\") (compose-mail \\\"${TO// /, }\\\" \\\"x\\\") (message-goto-body) (insert-file-contents \\\"/tmp/lab/text.\$\$\\\") (message-send))\""
}

features[flim]="rcpt3 msg"
send_flim() { # Wanderlust's
	in_client "$1" bash -c "HOME=/tmp emacs --batch --eval \"(progn (package-initialize) (require 'smtp) (setq smtp-server \\\"$ADDR\\\" smtp-service $PORT smtp-local-domain \\\"client.example.org\\\") (with-temp-buffer (insert-file-contents \\\"$MSG\\\") (smtp-send-buffer \\\"$from\\\" '($(printf '\\"%s\\" ' $TO)) (current-buffer))))\""
}

features[fdm]="rcpt3 msg"
send_fdm() {
	in_client "$1" bash -c "printf '%s\n' 'account \"in\" stdin' 'action \"out\" smtp server \"$ADDR\" port $PORT from \"$from\" to \"${TO%% *}\"' 'match all action \"out\"' > /tmp/lab/fdm.conf; chmod 600 /tmp/lab/fdm.conf; HOME=/tmp/lab/home; export HOME; mkdir -p \$HOME; (echo 'From sender@example.org Mon Jan  1 00:00:00 2024'; cat $MSG) | fdm -m -f /tmp/lab/fdm.conf -a in fetch"
}

features[fetchmail]="msg mails2"
send_fetchmail() {
	printf '%s\n' 'poll pop.example.org with proto POP3 port 1110 user "user" password "secret" is "rcpt@example.net" here' "smtphost $ADDR/$PORT" 'smtpaddress example.net' 'fetchall no rewrite sslproto ""' >"$lab/ov/$1/root/tmp/lab/fetchmailrc"
	in_client "$1" bash -c "chmod 600 /tmp/lab/fetchmailrc; export HOME=/tmp; rm -f /tmp/.fetchmail.pid; python3 /tmp/lab/pop3.py & sleep .5; fetchmail -f /tmp/lab/fetchmailrc --nosyslog -d0"
}

# Command-line tools.

features[swaks]=$all
parallel[swaks]=3
send_swaks() { # its own message, and at times one that it is given
	local t= data=
	[ "$TLS" != starttls ] || t=-tls
	[ "$TLS" != smtps ] || t=-tlsc
	case ${variants[i]} in rcpt450 | late | pieces | lines | retry | large | 8bit) data="--data @$MSG" ;; esac
	in_client "$1" swaks --server "$ADDR" --port "$PORT" $t ${LOGIN:+-a PLAIN -au user -ap secret} -f $from -t "${TO// /,}" $data
}

features[sendemail]="tls login rcpt3 msg"
parallel[sendemail]=3
send_sendemail() {
	in_client "$1" sendemail -f $from -t $TO -u x -o "message-file=$MSG" -s "$ADDR:$PORT" -o tls=$([ "$TLS" = starttls ] && echo yes || echo no) ${LOGIN:+-xu user -xp secret}
}

features[curl]=$all
parallel[curl]=3
send_curl() { # at times it makes CR LF of the line ends
	local t= url=smtp host=$ADDR to crlf
	case ${variants[i]} in starttls | plain | few | late | tls12 | pieces | submission | rcpt3 | large) crlf=--crlf ;; *) crlf= ;; esac
	[ "$TLS" != starttls ] || t='--ssl-reqd -k'
	[ "$TLS" != smtps ] || t=-k url=smtps
	case $host in *:*) host="[$host]" ;; esac
	to=$(printf -- '--mail-rcpt %s ' $TO)
	local one="$t $crlf ${LOGIN:+--user user:secret} --mail-from $from $to -T $MSG $url://$host:$PORT/client.example.org"
	[ "$MAILS" = 1 ] || one="$one --next -s $one"
	in_client "$1" curl -s $one
}

features[gitsendemail]="tls smtps login rcpt3"
parallel[gitsendemail]=3
send_gitsendemail() {
	local t=
	[ "$TLS" != starttls ] || t='--smtp-encryption=tls --smtp-ssl-cert-path=/tmp/lab/mx.pem'
	[ "$TLS" != smtps ] || t='--smtp-encryption=ssl --smtp-ssl-cert-path=/tmp/lab/mx.pem'
	in_client "$1" bash -c "cd /tmp/lab; HOME=/tmp git send-email --no-format-patch --quiet --confirm=never --suppress-cc=all --from=$from $(printf -- '--to=%s ' $TO) --smtp-server=$ADDR --smtp-server-port=$PORT $t ${LOGIN:+--smtp-user=user --smtp-pass=secret} $([ "$MAILS" = 2 ] && echo /tmp/lab/2.patch) /tmp/lab/1.patch"
}

features[gsasl]="tls login"
parallel[gsasl]=3
send_gsasl() {
	in_client "$1" bash -c "printf '\n' | gsasl --smtp -m PLAIN -a user -p secret --no-cb $([ "$TLS" = starttls ] && echo '--starttls --x509-ca-file=' || echo --no-starttls) --connect=$ADDR:$PORT"
}

features[bsmtp]="rcpt3 msg"
parallel[bsmtp]=3
send_bsmtp() {
	in_client "$1" bash -c "bsmtp -h $ADDR:$PORT -f $from -s x $TO < $MSG"
}

features[postal]="tls rcpt3"
send_postal() {
	echo "rcpt@example.net" >"$lab/ov/$1/root/tmp/lab/users"
	limit=8 in_client "$1" bash -c "timeout 5 postal -t 1 -r 10 -c 1 -m 1 -M 1 $([ "$TLS" = starttls ] && echo -s 100) $ADDR /tmp/lab/users"
}

features[smtpsource]="rcpt3 mails2 msg"
send_smtpsource() { # as swaks
	local data=
	case ${variants[i]} in rcpt450 | late | pieces | lines | retry | large | 8bit) data="-F $MSG" ;; esac
	in_client "$1" /usr/sbin/smtp-source -c -f $from -t "${TO%% *}" -r "$(set -- $TO; echo $#)" -m "$MAILS" $([ "$MAILS" = 2 ] && echo -d) $data "$ADDR:$PORT"
}

features[checksmtp]="tls"
parallel[checksmtp]=3
send_checksmtp() {
	in_client "$1" /usr/lib/nagios/plugins/check_smtp -H "$ADDR" -p "$PORT" $([ "$TLS" = starttls ] && echo -S)
}

features[checksmtpmail]="tls"
parallel[checksmtpmail]=3
send_checksmtpmail() { # with the commands of a mail
	in_client "$1" /usr/lib/nagios/plugins/check_smtp -H "$ADDR" -p "$PORT" -f $from -C "RCPT TO:<$TO>" -R 250 $([ "$TLS" = starttls ] && echo -S)
}

features[monit]="tls smtps login"
send_monit() { # a check that fails, and its alert
	local t=
	[ "$TLS" != starttls ] || t='using tlsv1.2'
	[ "$TLS" != smtps ] || t='using ssl'
	printf '%s\n' 'set daemon 1' "set mailserver $ADDR port $PORT ${LOGIN:+username user password secret} $t" "set mail-format { from: $from }" "set alert $TO" 'set idfile /tmp/lab/monit.id' 'set statefile /tmp/lab/monit.state' 'set pidfile /tmp/lab/monit.pid' 'check file nothing path /tmp/lab/not-there' 'if does not exist then alert' >"$lab/ov/$1/root/tmp/lab/monitrc"
	in_client "$1" bash -c "chmod 600 /tmp/lab/monitrc; rm -f /tmp/lab/monit.*; timeout 3 monit -I -c /tmp/lab/monitrc"
}

features[monitcheck]=""
send_monitcheck() {
	printf '%s\n' 'set daemon 30' 'set idfile /tmp/lab/monit.id' 'set statefile /tmp/lab/monit.state' 'set pidfile /tmp/lab/monit.pid' "check host mx with address $ADDR" "if failed port $PORT protocol smtp then exec /bin/true" >"$lab/ov/$1/root/tmp/lab/monitrc"
	in_client "$1" bash -c "chmod 600 /tmp/lab/monitrc; rm -f /tmp/lab/monit.*; timeout 3 monit -I -c /tmp/lab/monitrc"
}

features[ommail]="rcpt3"
send_ommail() { # rsyslog
	printf '%s\n' 'module(load="ommail")' 'module(load="imuxsock" SysSock.Use="off")' 'input(type="imuxsock" Socket="/tmp/lab/log")' "template(name=\"s\" type=\"string\" string=\"x\")" "action(type=\"ommail\" server=\"$ADDR\" port=\"$PORT\" mailfrom=\"$from\" mailto=[$(printf '"%s",' $TO | sed 's/,$//')] subject.template=\"s\")" >"$lab/ov/$1/root/tmp/lab/rsyslog.conf"
	in_client "$1" bash -c "rm -f /tmp/lab/log /tmp/lab/rsyslog.pid; rsyslogd -n -f /tmp/lab/rsyslog.conf -i /tmp/lab/rsyslog.pid & sleep 1; logger -u /tmp/lab/log something; sleep 3"
}

features[mlmmj]="rcpt3 msg"
send_mlmmj() {
	in_client "$1" bash -c "L=/tmp/lab/list; mkdir -p \$L/{control,queue/discarded,archive,subscribers.d}; echo list@example.org > \$L/control/listaddress; echo $ADDR > \$L/control/relayhost; echo $PORT > \$L/control/smtpport; echo $from > \$L/control/owner; (echo 'Received: from client.example.org by list.example.org; Mon, 1 Jan 2024 00:00:00 +0000'; cat $MSG) > \$L/queue/m; chown -R root \$L; /usr/bin/mlmmj-send -l 1 -L \$L -T $TO -F $from -m \$L/queue/m -D -r $ADDR; /usr/bin/mlmmj-send -l 6 -L \$L -T $TO -F $from -m \$L/queue/m -D"
}

features[tripwire]=""
send_tripwire() {
	in_client "$1" bash -c "cd /tmp/lab; printf '%s\n' 'ROOT=/usr/sbin' 'POLFILE=/tmp/lab/tw.pol' 'DBFILE=/tmp/lab/tw.twd' 'REPORTFILE=/tmp/lab/tw.twr' 'SITEKEYFILE=/tmp/lab/site.key' 'LOCALKEYFILE=/tmp/lab/local.key' 'EDITOR=/bin/true' 'MAILMETHOD=SMTP' 'SMTPHOST=$ADDR' 'SMTPPORT=$PORT' 'MAILFROMADDRESS=$from' > tw.txt; [ -e site.key ] || twadmin -m G -S site.key -Q secretsecret; rm -f tw.cfg; twadmin -m F -c tw.cfg -S site.key -Q secretsecret tw.txt; tripwire --test --cfgfile /tmp/lab/tw.cfg --email $TO"
}

features[smtpping]="rcpt3"
parallel[smtpping]=3
send_smtpping() {
	in_client "$1" smtpping -c 1 -w 1 -S $from -p "$PORT" "$TO" "@$ADDR"
}

features[haproxy]=""
send_haproxy() {
	printf '%s\n' 'defaults' ' mode tcp' ' timeout connect 3s' ' timeout client 3s' ' timeout server 3s' 'listen l' ' bind 127.0.0.1:2525' ' option smtpchk EHLO client.example.org' " server s $ADDR:$PORT check inter 30s" >"$lab/ov/$1/root/tmp/lab/haproxy.cfg"
	in_client "$1" timeout 4 haproxy -db -f /tmp/lab/haproxy.cfg
}

features[haproxymail]=""
send_haproxymail() { # its alert
	printf '%s\n' 'mailers m' " mailer x $ADDR:$PORT" 'defaults' ' mode tcp' ' timeout connect 3s' ' timeout client 3s' ' timeout server 3s' 'listen l' ' bind 127.0.0.1:2525' ' email-alert mailers m' " email-alert from $from" " email-alert to $TO" ' email-alert level info' ' email-alert myhostname client.example.org' ' server s 127.0.0.1:9 check inter 300ms' >"$lab/ov/$1/root/tmp/lab/haproxymail.cfg"
	in_client "$1" timeout 5 haproxy -db -f /tmp/lab/haproxymail.cfg
}

features[keepalived]=""
send_keepalived() { # its alert, as it starts
	printf '%s\n' 'global_defs {' " notification_email { $TO }" " notification_email_from $from" " smtp_server $ADDR $PORT" ' smtp_connect_timeout 10' ' smtp_alert true' ' router_id lab' '}' 'vrrp_instance v {' ' interface mail0' ' virtual_router_id 51' ' priority 100' ' advert_int 0.3' ' smtp_alert' ' virtual_ipaddress { 198.18.99.1 }' '}' >"$lab/ov/$1/root/tmp/lab/keepalived.conf"
	in_client "$1" bash -c "rm -f /run/keepalived*.pid /run/keepalived/*; timeout 6 keepalived -n -l -P -f /tmp/lab/keepalived.conf"
}

features[nginx]=""
send_nginx() { # the mail proxy: it says what its client says, in its own words
	printf '%s\n' 'load_module modules/ngx_mail_module.so;' 'daemon off;' 'pid /tmp/lab/nginx.pid;' 'error_log /dev/stderr;' 'events {}' "http { server { listen 127.0.0.1:8080; access_log off; location / { add_header Auth-Status OK; add_header Auth-Server $ADDR; add_header Auth-Port $PORT; return 200; } } }" 'mail { auth_http 127.0.0.1:8080/; server_name client.example.org; xclient off; server { listen 127.0.0.1:2525; protocol smtp; smtp_auth none; } }' >"$lab/ov/$1/root/tmp/lab/nginx.conf"
	in_client "$1" bash -c "timeout 8 nginx -c /tmp/lab/nginx.conf & sleep 1; ADDR=127.0.0.1 PORT=2525 TLS= LOGIN= perl /tmp/lab/smtp.pl"
}

features[ant]="rcpt3"
parallel[ant]=2
send_ant() { # the mail task, without JavaMail
	in_client "$1" bash -c "d=\$(mktemp -d /tmp/lab/ant.XXXX); printf '%s' '<project default=\"m\"><target name=\"m\"><mail encoding=\"plain\" mailhost=\"$ADDR\" mailport=\"$PORT\" subject=\"x\" from=\"$from\" tolist=\"${TO// /,}\"><message>x</message></mail></target></project>' > \$d/build.xml; ant -q -f \$d/build.xml; rm -rf \$d"
}

features[alertmanager]="tls login"
send_alertmanager() {
	printf '%s\n' 'global:' "  smtp_smarthost: $ADDR:$PORT" "  smtp_from: $from" '  smtp_hello: client.example.org' "  smtp_require_tls: $([ "$TLS" = starttls ] && echo true || echo false)" "${LOGIN:+  smtp_auth_username: user}" "${LOGIN:+  smtp_auth_password: secret}" 'route:' '  receiver: r' '  group_wait: 0s' 'receivers:' '- name: r' '  email_configs:' "  - to: $TO" '    tls_config:' '      insecure_skip_verify: true' >"$lab/ov/$1/root/tmp/lab/am.yml"
	in_client "$1" bash -c "rm -rf /tmp/lab/am; prometheus-alertmanager --config.file=/tmp/lab/am.yml --storage.path=/tmp/lab/am --cluster.listen-address= --web.listen-address=127.0.0.1:9093 & sleep 2; amtool --alertmanager.url=http://127.0.0.1:9093 alert add x a=b || curl -s -XPOST -H 'Content-Type: application/json' -d '[{\"labels\":{\"alertname\":\"x\"}}]' http://127.0.0.1:9093/api/v2/alerts; sleep 2"
}

# Libraries. What they run is in clients/, and reads the environment.

features[smtplib]=$all
parallel[smtplib]=3
send_smtplib() { in_client "$1" "$2" "$([ -z "$1" ] && echo "$here/clients" || echo /tmp/lab)/smtplib_.py"; }

features[python]=$all
parallel[python]=2
send_python() { in_client "" "$2" "$here/clients/$3.py"; } # "" PYTHON PROGRAM

features[perl]=$all
parallel[perl]=3
send_perl() { in_client "$1" perl /tmp/lab/smtp.pl; }

features[emailsender]="tls smtps login rcpt3 msg"
parallel[emailsender]=3
send_emailsender() { in_client "$1" perl /tmp/lab/emailsender.pl; }

features[mailsendmail]="rcpt3 msg"
parallel[mailsendmail]=3
send_mailsendmail() { in_client "$1" perl /tmp/lab/mailsendmail.pl; }

features[mimelite]="rcpt3 msg"
parallel[mimelite]=3
send_mimelite() { in_client "$1" perl /tmp/lab/mimelite.pl; }

features[netsmtps]="tls smtps login rcpt3 msg"
parallel[netsmtps]=3
send_netsmtps() { in_client "$1" perl /tmp/lab/netsmtps.pl; }

features[php]=$all
parallel[php]=3
send_php() { in_client "$1" php -d display_errors=stderr -d error_reporting=1 "/tmp/lab/$2.php"; } # ROOT PROGRAM

features[phpmailer]="tls smtps login v6 rcpt3 mails2 msg"
parallel[phpmailer]=3
send_phpmailer() { in_client "$1" php /tmp/lab/phpmailer.php; }

features[ruby]=$all
parallel[ruby]=3
send_ruby() { in_client "$1" ruby /tmp/lab/smtp.rb; }

features[rubymail]=$all
parallel[rubymail]=3
send_rubymail() { in_client "$1" ruby /tmp/lab/mail.rb; }

features[eventmachine]="tls login rcpt3 msg"
parallel[eventmachine]=3
send_eventmachine() { in_client "$1" ruby /tmp/lab/em.rb; }

features[lua]="rcpt3 msg"
parallel[lua]=3
send_lua() { in_client "$1" bash -c 'exec $(ls /usr/bin/lua5.* | head -1) /tmp/lab/smtp.lua'; }

features[tcllib]="tls login rcpt3 msg"
parallel[tcllib]=3
send_tcllib() { in_client "$1" tclsh /tmp/lab/smtp.tcl; }

features[pike]="rcpt3 msg"
parallel[pike]=3
send_pike() { in_client "$1" pike /tmp/lab/smtp.pike; }

features[nim]="tls smtps login rcpt3 mails2 msg"
parallel[nim]=3
send_nim() { in_client "$1" bash -c "cd /tmp/lab; [ -x nimsmtp ] || HOME=/tmp nim c -d:ssl --hints:off -o:nimsmtp send.nim; ./nimsmtp"; }

features[newlisp]="msg"
parallel[newlisp]=3
send_newlisp() { in_client "$1" newlisp /tmp/lab/smtp.lsp; }

features[picolisp]="rcpt3"
parallel[picolisp]=3
send_picolisp() { in_client "$1" pil /tmp/lab/smtp.l; }

features[gambas]="tls smtps login rcpt3 msg"
send_gambas() { in_client "$1" bash -c "cd /tmp/lab; HOME=/tmp gbs3 -f /tmp/lab/smtp.gbs"; }

features[mono]="tls login rcpt3 mails2 msg"
parallel[mono]=2
send_mono() { in_client "$1" bash -c "cd /tmp/lab; [ -e smtp.exe ] || mcs -out:smtp.exe smtp.cs; HOME=/tmp mono smtp.exe"; }

features[racket]="tls smtps login rcpt3 msg"
parallel[racket]=2
send_racket() { in_client "$1" racket /tmp/lab/smtp.rkt; }

features[sendmailr]="rcpt3"
parallel[sendmailr]=2
send_sendmailr() { in_client "$1" Rscript /tmp/lab/smtp.R; }

features[smalltalk]="rcpt3 msg"
send_smalltalk() { in_client "$1" gst /tmp/lab/smtp.st; }

features[c]="tls smtps login rcpt3 msg"
parallel[c]=3
send_c() { in_client "$1" "/tmp/lab/bin/$2"; } # ROOT PROGRAM

features[haskell]="tls smtps login rcpt3"
send_haskell() { # it accepts a certificate for a name alone
	{ cat "$lab/hosts"; echo "$ADDR mx.example.net"; } >"$lab/ov/$1/root/etc/hosts"
	ADDR=mx.example.net in_client "$1" "/tmp/lab/bin/$2"
}

features[go]=$all
parallel[go]=3
send_go() { in_client "" env SSL_CERT_FILE="$lab/mx.pem" "$2"; } # "" PROGRAM

features[node]=$all
parallel[node]=2
send_node() { in_client "" env NODE_PATH="$2/node_modules" NODE_EXTRA_CA_CERTS="$lab/mx.pem" NODE_TLS_REJECT_UNAUTHORIZED=0 NODE_NO_WARNINGS=1 "${4:-node}" "$here/clients/$3.js"; } # "" DIRECTORY PROGRAM [NODE]

features[java]="$all resume"
parallel[java]=2
send_java() { in_client "" "${JAVA:-java}" -Xshare:auto -XX:TieredStopAtLevel=1 -cp "$2" "$3"; } # "" CLASSPATH CLASS

features[rust]=$all
parallel[rust]=3
send_rust() { in_client "" "$2"; }

# By hand.

features[hand]="tls"
send_hand() { in_client "$1" bash /tmp/lab/hand.sh "$2"; } # ROOT TOOL

features[handtls]="tls smtps"
send_handtls() { in_client "$1" bash /tmp/lab/hand.sh "$2"; }

# Attack tools and address checkers.

features[bad]="tls smtps"
parallel[bad]=2
send_bad() { in_client "$1" bash /tmp/lab/bad.sh "$2"; } # ROOT TOOL

features[checker]=""
send_checker() { # "" DIRECTORY NAME
	in_client "" bash -c "/tmp/lab/dialectlab dns $ADDR & sleep .3; NODE_PATH=$2/node_modules timeout 15 node $here/clients/checker.js $3"
}
