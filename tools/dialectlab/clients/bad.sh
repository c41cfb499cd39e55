# Attack tools, against the recorder alone.
cd /tmp/lab || exit 1
printf 'user\nadmin\ninfo\n' >users.txt
printf 'secret\n123456\n' >passwords.txt
s=
[ "$TLS" != smtps ] || s=1
case $1 in
hydra) timeout 15 hydra -I -q -t 1 -L users.txt -P passwords.txt ${s:+-S} -s "$PORT" "$ADDR" smtp ;;
hydra-tls) timeout 15 hydra -I -q -t 1 -L users.txt -P passwords.txt -s "$PORT" -m TLS "$ADDR" smtp ;;
hydra-enum) timeout 15 hydra -I -q -t 1 -L users.txt -p '' -s "$PORT" "$ADDR" smtp-enum ;;
medusa) timeout 15 medusa -h "$ADDR" -n "$PORT" -U users.txt -P passwords.txt -t 1 -M smtp ${s:+-s} ;;
medusa-vrfy) timeout 15 medusa -h "$ADDR" -n "$PORT" -U users.txt -p example.net -t 1 -M smtp-vrfy -m VERB:VRFY ;;
patator) sleep 20 | timeout 15 patator smtp_login host="$ADDR" port="$PORT" user=FILE0 password=FILE1 0=users.txt 1=passwords.txt ehlo=test -t 1 ;;
patator-vrfy) sleep 20 | timeout 15 patator smtp_vrfy host="$ADDR" port="$PORT" user=FILE0 0=users.txt helo='ehlo its.me.example' -t 1 ;;
nmap-*) timeout 20 nmap -n -Pn -sT -p "$PORT" --script "smtp-${1#nmap-}" --script-args smtp.domain=example.net,userdb=users.txt,passdb=passwords.txt,brute.threads=1,brute.guesses=3 "$ADDR" ;;
nmap) timeout 20 nmap -n -Pn -sV -p "$PORT" "$ADDR" ;;
esac
