//go:build linux

package mailtest

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"net/smtp"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// A program is one that sends mail: a command in the Debian system of the
// senders, with the environment ADDR, TLS (or empty), FROM, TO, ID, and MSG, the
// mail as a file.
type program struct {
	name   string
	engine string   // the name that mxprint has for it
	shown  [2]Shown // at least, by every server, in clear and by TLS
	run    string
	clear  bool   // it does not send by TLS here
	header string // which fields it writes, in their order; empty: those of MSG
}

// Programs are ten: eight of Debian's that are started with a mail, and two
// libraries by a few lines.
var programs = []program{
	{"swaks", "swaks", [2]Shown{Nothing, Candidate}, `swaks --silent 2 --server $ADDR ${TLS:+-tls} -f $FROM -t $TO --ehlo client.source.example --data - <$MSG`, false, ""},
	{"msmtp", "msmtp", [2]Shown{Nothing, Nothing}, `msmtp --host=$ADDR ${TLS:+--tls=on --tls-starttls=on --tls-certcheck=off} --domain=client.source.example -f $FROM $TO <$MSG`, false, ""},
	{"curl", "curl", [2]Shown{Candidate, Candidate}, `curl -s --crlf ${TLS:+--ssl-reqd -k} --mail-from $FROM --mail-rcpt $TO -T $MSG smtp://$ADDR/client.source.example`, false, ""},
	{"s-nail", "s-nail", [2]Shown{Named, Candidate}, `sed 1,/^$/d $MSG | HOME=/tmp s-nail -:/ -S v15-compat -S mta=smtp://$ADDR -S smtp-auth=none -S smtp-config=-all,ehlo${TLS:+,starttls} ` +
		`${TLS:+-S smtp-use-starttls -S tls-verify=ignore} -S hostname=client.source.example -S from=$FROM -C "X-Test-Id: $ID" -s x $TO`, false, "DFTSIU"},
	{"sendEmail", "sendEmail", [2]Shown{Nothing, Nothing}, `sendemail -q -f $FROM -t $TO -s $ADDR -o tls=no -o message-file=$MSG -o message-format=raw`, true, ""}, // Debian's fails in its own TLS
	{"Mutt", "Mutt", [2]Shown{Named, Named}, `sed 1,/^$/d $MSG | HOME=/tmp mutt -n -F /dev/null -e "set from=$FROM smtp_url=smtp://$ADDR copy=no ssl_starttls=$([ "$TLS" ] && echo yes || echo no) ` +
		`ssl_force_tls=$([ "$TLS" ] && echo yes || echo no) ssl_verify_host=no ssl_verify_dates=no ssl_ca_certificates_file=/mnt/cert.pem certificate_file=/mnt/cert.pem hostname=client.source.example" ` +
		`-e "my_hdr X-Test-Id: $ID" -s x $TO`, false, "DFTSIMCP"},
	{"Python", "Python smtplib", [2]Shown{Named, Named}, `exec python3 -c '
import smtplib, ssl, os
e = os.environ
s = smtplib.SMTP(e["ADDR"], 25, "client.source.example", 30)
if e["TLS"]:
    s.starttls(context=ssl._create_unverified_context())
s.sendmail(e["FROM"], [e["TO"]], open(e["MSG"]).read())
s.quit()'`, false, ""},
	{"Net::SMTP", "Perl Net::SMTP", [2]Shown{Nothing, Nothing}, `exec perl -e '
use Net::SMTP;
local $/;
open my $f, "<", $ENV{MSG} or die;
my $text = <$f>;
my $s = Net::SMTP->new($ENV{ADDR}, Hello => "client.source.example", Timeout => 30) or die "no connection: $@";
$s->mail($ENV{FROM});
$s->to($ENV{TO}) or die $s->message;
$s->data($text) or die $s->message;
$s->quit;'`, true, ""},
	{"PHPMailer", "PHPMailer", [2]Shown{Named, Named}, `cat >/tmp/$$.php <<'END'
<?php
foreach (['Exception', 'SMTP', 'PHPMailer'] as $c) require "/usr/share/php/libphp-phpmailer/src/$c.php";
$e = getenv();
$m = new PHPMailer\PHPMailer\PHPMailer(true);
$m->isSMTP();
$m->Host = $e['ADDR'];
$m->Hostname = 'client.source.example';
$m->SMTPSecure = $e['TLS'] ? 'tls' : '';
$m->SMTPAutoTLS = false;
$m->SMTPOptions = ['ssl' => ['verify_peer' => false, 'verify_peer_name' => false]];
$m->setFrom($e['FROM']);
$m->addAddress($e['TO']);
$m->addCustomHeader('X-Test-Id', $e['ID']);
$m->Subject = 'x';
$m->Body = 'Hello.';
$m->send();
END
exec php /tmp/$$.php`, false, "DTFSIXMC"},
	{"Go", "Go net/smtp", [2]Shown{Candidate, Candidate}, "", false, ""}, // this test
}

// A Senders starts them in a namespace.
type Senders struct {
	chroot *Chroot
	ns     *lab.NetNS
	dir    string
	sensor string // its folder, where it is asked for headers; or empty
}

// NewSenders returns one of a namespace; cert is the server's certificate, for
// those that cannot go without a check.
func NewSenders(t testing.TB, ns *lab.NetNS, cert string) *Senders {
	t.Helper()
	s := &Senders{chroot: NewChroot(t, "senders"), ns: ns, dir: TempDir(t)}
	text := ""
	if cert != "" {
		b, err := os.ReadFile(cert)
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
	}
	WriteFiles(t, s.dir, map[string]string{"cert.pem": text})
	return s
}

// send has a program send one mail from an address.
func (s *Senders) send(p *program, from, to netip.Addr, id string, tls bool) error {
	switch {
	case p.run == "" && tls:
		return sendMailTLS(s.ns, from, to, id)
	case p.run == "":
		return SendMail(s.ns, from, to, id)
	}
	msg := filepath.Join(s.dir, id)
	if err := os.WriteFile(msg, []byte(strings.ReplaceAll(MailText(id), "\r\n", "\n")), 0o644); err != nil {
		return err
	}
	script := "mount -t tmpfs tmpfs /tmp; " + p.run
	cmd := s.chroot.Command(s.ns, map[string]string{"/mnt": s.dir}, "timeout", "60", "sh", "-c", script)
	with := ""
	if tls {
		with = "starttls"
	}
	cmd.Env = append(cmd.Env, "ADDR="+to.String(), "TLS="+with, "FROM="+Sender, "TO="+Recipient, "ID="+id, "MSG=/mnt/"+id)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", p.name, err, out.Bytes())
	}
	return nil
}

// NewCert makes a certificate and its key, in cert.pem and key.pem of a folder. It is
// its own CA, and of loopback, too.
func NewCert(t testing.TB, dir string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"mx." + Domain}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	WriteFiles(t, dir, map[string]string{
		"cert.pem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		"key.pem":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
	})
	if err := os.Chmod(filepath.Join(dir, "key.pem"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// sendMailTLS is SendMail with STARTTLS.
func sendMailTLS(ns *lab.NetNS, from, to netip.Addr, id string) error {
	var conn net.Conn
	d := net.Dialer{Timeout: MailTimeout, LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	if err := ns.Do(func() (err error) {
		conn, err = d.Dial("tcp", netip.AddrPortFrom(to, 25).String())
		return err
	}); err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(MailTimeout))
	c, err := smtp.NewClient(conn, Domain)
	if err != nil {
		return err
	}
	if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
		return err
	}
	if err := errors.Join(c.Mail(Sender), c.Rcpt(Recipient)); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	fmt.Fprint(w, MailText(id))
	return errors.Join(w.Close(), c.Quit())
}

// Program is the answer about the program that sent a mail, of its header
// X-Mxprint: its name, with others that speak the same behind "or", and "?" if it is a
// candidate and no name; "unknown" if there is neither.
func Program(header string) string {
	word := func(key string) string {
		_, rest, _ := strings.Cut(" "+header, " "+key+"=")
		rest, quoted := strings.CutPrefix(rest, "\"")
		end := " "
		if quoted {
			end = "\""
		}
		value, _, _ := strings.Cut(rest, end)
		return value
	}
	name := word("software")
	if others := word("software_or"); others != "" {
		name += " or " + strings.ReplaceAll(others, ",", " or ")
	}
	if strings.Contains(word("software_quality"), "generic") {
		name += "?"
	}
	return name
}

// Shown is how much a header says of the program that sent a mail.
type Shown int

const (
	Nothing   Shown = iota // it may be unknown: many programs speak like it
	Candidate              // one of up to three, at least
	Named                  // it is named, and no other
)

// CheckPrograms has each program send a mail. Of each the header has to say as much as
// the list of programs has, with this server the names of those in named, and
// never the name of another; after Ask the sensor has which fields the mail has. On a
// busy machine the sensor may be behind the mail; then
// it is sent again. Those without a command for TLS send in clear alone.
func CheckPrograms(t *testing.T, s *Senders, from, to netip.Addr, mails string, tls bool, named ...string) {
	t.Helper()
	how, column := "clear", 0
	if tls {
		how, column = "tls", 1
	}
	for i := range programs {
		p := &programs[i]
		if tls && p.clear {
			continue
		}
		t.Run(how+"/"+p.name, func(t *testing.T) {
			least := p.shown[column]
			if slices.Contains(named, p.name) {
				least = Named
			}
			fields := cmp.Or(p.header, headerOfMSG)
			var header, got string
			for try := range 3 {
				id := fmt.Sprintf("%s-%s-%d", how, strings.ReplaceAll(p.name, ":", "-"), try)
				since := s.seen(t)
				if err := s.send(p, from, to, id, tls); err != nil {
					t.Fatal(err)
				}
				header = full(t, mails, id)
				shown, wrong := p.said(Program(header))
				if wrong {
					t.Errorf("the header says %s: %s", Program(header), header)
				}
				got = s.header(t, since, from, to)
				if shown >= least && (s.sensor == "" || got == fields) {
					t.Logf("%s: header=%s: %s", Program(header), got, header)
					return
				}
			}
			t.Errorf("the header says %s, want %s: %s; the mail has the fields %q, want %s", Program(header), [...]string{"anything", "a candidate", "the name"}[least], header, got, fields)
		})
	}
}

// said is how much an answer of Program says of a program, and whether it is
// wrong.
func (p *program) said(answer string) (shown Shown, wrong bool) {
	names, candidate := strings.CutSuffix(answer, "?")
	among := false
	for _, name := range strings.Split(names, " or ") {
		among = among || strings.HasPrefix(name, p.engine) // its releases may follow
	}
	switch {
	case answer == "unknown":
		return Nothing, false
	case candidate && among:
		return Candidate, false
	case candidate: // none of the candidates is a name
		return Nothing, false
	}
	return Named, !among || strings.Contains(names, " or ")
}

// CheckTwoPrograms: two programs at one address, Python and PHPMailer, send at the
// same time, and the header of each mail says as much of its own.
func CheckTwoPrograms(t *testing.T, s *Senders, from, to netip.Addr, mails string, tls bool, least Shown) {
	t.Helper()
	var wg sync.WaitGroup
	two := []*program{&programs[6], &programs[8]}
	const count = 5
	for _, p := range two {
		wg.Go(func() {
			for i := range count {
				if err := s.send(p, from, to, fmt.Sprintf("two-%s-%d", p.name, i), tls); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, p := range two {
		right := 0
		for i := range count {
			header := full(t, mails, fmt.Sprintf("two-%s-%d", p.name, i))
			switch shown, wrong := p.said(Program(header)); {
			case wrong:
				t.Errorf("a mail of %s has the name of another: %s", p.name, header)
			case shown >= least:
				right++
			default:
				t.Logf("a mail of %s: %s", p.name, header)
			}
		}
		if right < count-2 { // the machine may be busy
			t.Errorf("%s: %d of %d mails say so", p.name, right, count)
		}
	}
}

// Exists reports whether there is a file.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// GiveFile makes a file one of a user.
func GiveFile(t testing.TB, path string, owner *user.User) {
	t.Helper()
	uid, err := strconv.Atoi(owner.Uid)
	gid, err2 := strconv.Atoi(owner.Gid)
	if err := errors.Join(err, err2, os.Chown(path, uid, gid)); err != nil {
		t.Fatal(err)
	}
}
