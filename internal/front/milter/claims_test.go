package milter

import (
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/claim"
	"github.com/mxprint/mxprint/internal/test/fronttest"
	"github.com/mxprint/mxprint/note"
)

// TestClaims: what HELO and headers claim is compared with the note, for each
// mail by itself; what a mail server does not verify makes no contradiction.
func TestClaims(t *testing.T) {
	form := func(n *note.Note) string {
		ids := []string{"found:"}
		for _, f := range n.Contradictions.List {
			ids = append(ids, f.ID)
		}
		return strings.Join(ids, " ")
	}
	for _, tt := range []struct {
		name, version, client, helo, want string
		headers                           []string
	}{
		{"nothing", "Postfix 3.7.11", "vps.example.net", "vps.example.net", "found:", []string{"Subject: x"}},
		{"HELO", "Postfix 3.7.11", "vps.example.net", "mail.outlook.com", "found: name_not_verified", []string{"Subject: x"}},
		{"HELO, no name", "Postfix 3.7.11", "unknown", "mail.outlook.com", "found: name_not_verified", []string{"Subject: x"}},
		{"HELO, not verified", "8.17.1", "vps.example.net", "mail.outlook.com", "found:", []string{"Subject: x"}},
		{"HELO and name", "Postfix 3.7.11", "mail.outlook.com", "mail.outlook.com", "found:", []string{"Subject: x"}},
		{"Message-ID", "Postfix 3.7.11", "unknown", "x", "found: message_id_mailer", []string{"X-Mailer: Thunderbird", "Message-ID: <173278081234.4711.12345678901234567890@x>"}},
		{"relayed", "Postfix 3.7.11", "unknown", "x", "found:", []string{"Received: from y", "X-Mailer: Thunderbird", "Message-ID: <173278081234.4711.12345678901234567890@x>"}},
		{"hostile", "Postfix 3.7.11", "unknown", "x\x1b\xff\"" + strings.Repeat("y", 5000), "found:", []string{"X-Mailer: " + strings.Repeat("z", 60000)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fronttest.Leaks(t)
			path, _ := run(t, &Server{Lookuper: seen(), Claims: claim.Builtin(), Form: form})
			m := dial(t, path)
			m.send('O', numbers(postfixOffer.version, postfixOffer.actions, postfixOffer.protocol))
			m.want("O" + numbers(6, 0x11, 0x8|0x10|0x40|0x100|0x200|0x80|0x1000|0x2000|0x4000))
			m.send('D', "C", "v\x00"+tt.version+"\x00")
			m.send('C', tt.client+"\x00", "4\x04\x57198.18.0.1\x00")
			m.send('H', tt.helo+"\x00")
			for range 2 { // the second mail has nothing of the first
				m.mail(tt.headers...)
				m.want(added("X-p0f-Result", tt.want))
				m.want("a")
			}
			m.mail("Subject: x")
			if strings.HasPrefix(tt.want, "found: name") {
				m.want(added("X-p0f-Result", tt.want))
			} else {
				m.want(added("X-p0f-Result", "found:"))
			}
		})
	}
}

// TestClaimsReported: the sensor gets to know what each mail claims, at its end,
// so that the store keeps what comes of it.
func TestClaimsReported(t *testing.T) {
	fronttest.Leaks(t)
	who := new(reported)
	path, _ := run(t, &Server{Lookuper: who, Again: true, Claims: claim.Builtin()})
	m := dial(t, path)
	m.begin(postfixOffer)
	m.connect(client4)
	m.send('H', "client.example\x00")
	m.mail("X-Mailer: Thunderbird")
	m.receive()
	m.receive()
	if c := who.all[0].Claims; c != nil {
		t.Errorf("before a mail %+v, want no claims", c)
	}
	if c := who.all[len(who.all)-1].Claims; c == nil || !c.HeadersKnown || c.Mailer != "Thunderbird" {
		t.Errorf("at its end %+v, want Thunderbird", c)
	}
}
