//go:build linux

package lab

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

func TestPairCarriesConnections(t *testing.T) {
	p := NewPair(t)
	extra4, extra6 := p.Client.AddIPv4(300), p.Client.AddIPv6(300)
	for _, tt := range []struct {
		name     string
		from, to netip.Addr
	}{
		{"IPv4", p.Client.IPv4, p.Server.IPv4},
		{"IPv6", p.Client.IPv6, p.Server.IPv6},
		{"last added IPv4", extra4[299], p.Server.IPv4},
		{"last added IPv6", extra6[299], p.Server.IPv6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l net.Listener
			if err := p.Server.Do(func() (err error) {
				l, err = net.Listen("tcp", net.JoinHostPort(tt.to.String(), "0"))
				return err
			}); err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			d := net.Dialer{Timeout: 30 * time.Second, LocalAddr: &net.TCPAddr{IP: tt.from.AsSlice()}}
			if err := p.Client.Do(func() error {
				c, err := d.Dial("tcp", l.Addr().String())
				if err == nil {
					c.Close()
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if got := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap(); got != tt.from {
				t.Errorf("server sees %v, want %v", got, tt.from)
			}
			if ifs, _ := net.Interfaces(); hasInterface(ifs, p.Server.If) {
				t.Errorf("the test itself is left inside the namespace: it sees %s", p.Server.If)
			}
		})
	}
}

func TestCommandRunsInside(t *testing.T) {
	p := NewPair(t)
	out, err := p.Client.Command(context.Background(), "sh", "-c", "cat /etc/resolv.conf; ls /sys/class/net").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"127.0.0.1", p.Client.If} {
		if !strings.Contains(string(out), want) {
			t.Errorf("command prints %q, want %q in it", out, want)
		}
	}
}

func TestNetNSIsRemoved(t *testing.T) {
	NeedRoot(t)
	var name string
	t.Run("inner", func(t *testing.T) { name = NewNetNS(t).Name })
	for _, path := range []string{"/run/netns/" + name, "/etc/netns/" + name} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is left behind", path)
		}
	}
}

func hasInterface(ifs []net.Interface, name string) bool {
	for _, i := range ifs {
		if i.Name == name {
			return true
		}
	}
	return false
}
