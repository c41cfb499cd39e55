package proc

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// inode is that of the socket on an address, or "".
func inode(network, addr string) string {
	for _, s := range Sockets(network) {
		if s.Addr == addr {
			return s.Inode
		}
	}
	return ""
}

func TestSockets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, at := range [][2]string{{"tcp", "127.0.0.1:0"}, {"tcp", "[::1]:0"}, {"unix", path}} {
		ln, err := net.Listen(at[0], at[1])
		if err != nil {
			t.Fatal(err)
		}
		if addr := ln.Addr().String(); inode(at[0], addr) == "" {
			t.Errorf("%s %s is not among the sockets", at[0], addr)
		}
		ln.Close()
	}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	if inode("udp", pc.LocalAddr().String()) == "" {
		t.Errorf("udp %s is not among the sockets", pc.LocalAddr())
	}
	if inode("unix", path) != "" {
		t.Error("a closed socket is among those that listen")
	}
}

// TestHolder has another process hold a socket: this one does not count.
func TestHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	own := map[string]bool{inode("unix", path): true}
	if pid, name := Holder(own); pid != 0 {
		t.Errorf("Holder = %d %s, want none", pid, name)
	}
	f, err := ln.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("sleep", "60")
	cmd.ExtraFiles = []*os.File{f}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if pid, name := Holder(own); pid != cmd.Process.Pid || name != "sleep" {
		t.Errorf("Holder = %d %q, want %d \"sleep\"", pid, name, cmd.Process.Pid)
	}
}

func TestCapabilities(t *testing.T) {
	caps, err := Capabilities("self")
	if err != nil {
		t.Fatal(err)
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		t.Fatal(err)
	}
	if want := uint64(data[1].Permitted)<<32 | uint64(data[0].Permitted); caps != want {
		t.Errorf("Capabilities = %#x, want %#x as the kernel says", caps, want)
	}
	if _, err := Capabilities("0"); err == nil {
		t.Error("there is no process 0")
	}
}
