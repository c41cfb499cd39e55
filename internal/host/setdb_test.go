package host

import (
	"strings"
	"testing"
)

// TestSetDB: what is known of a host stays where the new database names it
// too, whatever its numbers there; scoring restarts.
func TestSetDB(t *testing.T) {
	f := newFeed(t, Config{Recent: 10})
	f.send(syn(1, stamp(1000)), synAck(syn(1), stamp(1000)))
	f.send(syn(2, window(winXP), ttl(128), from("192.0.2.7")))
	f.ms += 1000
	moved := "classes = other\n[mtu]\nlabel = new\nsig = 1400\n" + strings.ReplaceAll(
		strings.Replace(testDB, "[tcp:request]\n", "[tcp:request]\nlabel = s:unix:FreeBSD:\nsig = *:64:0:*:1,1:mss::0\n", 1),
		"s:win:Windows:XP", "s:win:Windows:2000")
	moved = strings.Replace(moved, "classes = unix,win\n", "", 1)
	moved = strings.Replace(moved, "classes = other", "classes = other,win,unix", 1)
	f.SetDB(mustParse(t, moved))
	if h := f.host(clientAddr); h.OS == nil || h.OS.Title() != "Linux 3.x" || h.OS.ID != 2 || h.Link != "Ethernet" || h.TotalConn != 1 {
		t.Errorf("client = %+v (%v), want Linux 3.x with its new number, and its link", h, h.OS)
	}
	if h := f.host(serverAddr); h.OS == nil || h.OS.Title() != "Linux server" {
		t.Errorf("server = %+v (%v), want Linux", h, h.OS)
	}
	if h := f.host("192.0.2.7"); h.OS != nil || h.Link != "Ethernet" {
		t.Errorf("a host of a label that is gone = %+v (%v), want no system", h, h.OS)
	}
	if c, ok := f.Conn(syn(1).Src, syn(1).Dst); !ok || c.OS == nil || c.OS.Title() != "Linux 3.x" {
		t.Errorf("connection = %+v, %v, want Linux 3.x", c, ok)
	}
	// The signature has another number now: nothing may be compared with it.
	f.expect("another label", f.send(syn(3, window(winLinux2), mss(1400), stamp(1250))), "syn cli Linux 2.x", "mtu cli 1440 ")
	f.expect("and once more", f.send(syn(4)), saysLinux, "host change cli os_diff mtu 0,1,1,1", saysMTU)
	f.expect("SYN+ACK", f.send(synAck(syn(4), window(winLinux3), ttl(50))), saysServer, saysMTUSrv)
	checkTable(t, f.Table)
}
