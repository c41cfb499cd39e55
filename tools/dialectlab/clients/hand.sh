# A person at a terminal: lines with pauses, by the tool named.
say() {
	sleep .3
	for l in 'EHLO test' 'MAIL FROM:<sender@example.org>' "RCPT TO:<$TO>" DATA "Subject: x$nl$nl""text$nl." QUIT; do
		printf "%s$nl" "$l"
		sleep .25
	done
}
nl=$'\n'
case $1 in
nc) say | timeout 8 nc -q 1 "$ADDR" "$PORT" ;;
nc-crlf) say | timeout 8 nc -C -q 1 "$ADDR" "$PORT" ;;
ncat) nl=$'\r\n'; say | timeout 8 ncat "$ADDR" "$PORT" ;;
socat) say | timeout 8 socat - "TCP:$ADDR:$PORT,crlf" ;;
telnet) say | timeout 8 telnet "$ADDR" "$PORT" ;;
busybox) say | timeout 8 busybox nc "$ADDR" "$PORT" ;;
devtcp)
	exec 3<>"/dev/tcp/$ADDR/$PORT"
	cat <&3 >/dev/null &
	nl=$'\r\n'
	say >&3
	;;
blind) # all at once, as scripts found on the web do
	printf 'HELO test\r\nMAIL FROM:<sender@example.org>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: x\r\n\r\ntext\r\n.\r\nQUIT\r\n' "$TO" | timeout 5 nc -q 1 "$ADDR" "$PORT"
	;;
openssl)
	case $TLS in
	smtps) say | timeout 8 openssl s_client -quiet -crlf -connect "$ADDR:$PORT" ;;
	starttls) say | timeout 8 openssl s_client -quiet -crlf -starttls smtp -connect "$ADDR:$PORT" ;;
	esac
	;;
gnutls)
	case $TLS in
	smtps) say | timeout 8 gnutls-cli --crlf --insecure -p "$PORT" "$ADDR" ;;
	starttls) say | timeout 8 gnutls-cli --crlf --insecure --starttls-proto=smtp -p "$PORT" "$ADDR" ;;
	esac
	;;
esac
