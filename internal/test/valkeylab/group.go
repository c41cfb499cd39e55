package valkeylab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// Watched is a primary with a replica, and three Sentinels that watch them.
type Watched struct {
	Name      string // of the primary, to the Sentinels
	Servers   []*Server
	Sentinels []*Server
}

// StartSentinel starts them. A primary that does not answer for half a second is
// given up.
func StartSentinel(t testing.TB, o Options) *Watched {
	t.Helper()
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	w := &Watched{Name: "mxprint"}
	primary := Start(t, o)
	replica := o
	replica.Args = append([]string{"--replicaof", o.Host + " " + strconv.Itoa(primary.Port), "--repl-diskless-sync-delay", "0"}, o.Args...)
	w.Servers = []*Server{primary, Start(t, replica)}
	for range 3 {
		port := lab.FreePort(t)
		file := filepath.Join(t.TempDir(), "sentinel.conf")
		text := fmt.Sprintf("port %d\nbind %s\nprotected-mode no\nsentinel monitor %s %s %d 2\nsentinel down-after-milliseconds %[3]s 500\n"+
			"sentinel failover-timeout %[3]s 3000\n", port, o.Host, w.Name, o.Host, primary.Port)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		server, cli := programs(t)
		s := &Server{t: t, run: o.Command, cli: cli, Port: port, Addr: fmt.Sprintf("%s:%d", o.Host, port)}
		if s.run == nil {
			s.run = exec.Command
		}
		s.args = append(server, file, "--sentinel")
		t.Cleanup(s.Kill)
		s.Restart()
		s.WaitReady()
		w.Sentinels = append(w.Sentinels, s)
	}
	lab.Eventually(t, func() error {
		for _, s := range w.Sentinels {
			out, err := s.Try("SENTINEL", "MASTER", w.Name)
			fields := strings.Fields(out)
			for i, want := range map[string]string{"num-slaves": "1", "num-other-sentinels": "2"} {
				if at := index(fields, i); err != nil || at < 0 || fields[at+1] != want {
					return fmt.Errorf("%s: %v: %s", i, err, out)
				}
			}
		}
		return nil
	})
	return w
}

func index(list []string, word string) int {
	for i := range len(list) - 1 {
		if list[i] == word {
			return i
		}
	}
	return -1
}

// Addrs are the addresses of the Sentinels.
func (w *Watched) Addrs() []string { return addrs(w.Sentinels) }

func addrs(list []*Server) (all []string) {
	for _, s := range list {
		all = append(all, s.Addr)
	}
	return all
}

// Cluster is six nodes, three of them with a third of the slots each.
type Cluster struct {
	Nodes []*Server
	t     testing.TB
}

// StartCluster starts it. A node that does not answer for a second has failed.
func StartCluster(t testing.TB, o Options) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	o.Args = append([]string{"--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-config-file", "nodes.conf",
		"--appendonly", "no", "--repl-diskless-sync-delay", "0", "--cluster-replica-validity-factor", "0", "--cluster-require-full-coverage", "no"}, o.Args...)
	for range 6 {
		c.Nodes = append(c.Nodes, Start(t, o))
	}
	args := append([]string{"--cluster", "create"}, addrs(c.Nodes)...)
	c.Nodes[0].CLI(append(args, "--cluster-replicas", "1", "--cluster-yes")...)
	lab.Eventually(t, func() error {
		for _, n := range c.Nodes {
			if out, err := n.Try("CLUSTER", "INFO"); err != nil || !strings.Contains(out, "cluster_state:ok") || !strings.Contains(out, "cluster_known_nodes:6") {
				return fmt.Errorf("%v: %s", err, out)
			}
		}
		return nil
	})
	return c
}

// Addrs are the addresses of the nodes.
func (c *Cluster) Addrs() []string { return addrs(c.Nodes) }

// Primary returns a node that has slots, and its id.
func (c *Cluster) Primary() (*Server, string) {
	c.t.Helper()
	for _, n := range c.Nodes {
		if n.cmd == nil {
			continue
		}
		out, err := n.Try("CLUSTER", "NODES")
		if err != nil {
			continue
		}
		for line := range strings.SplitSeq(out, "\n") {
			f := strings.Fields(line)
			if len(f) > 8 && strings.Contains(f[2], "myself") && strings.Contains(f[2], "master") {
				return n, f[0]
			}
		}
	}
	c.t.Fatal("no node has slots")
	return nil, ""
}

// Move moves slots from one primary to the others, with their keys.
func (c *Cluster) Move(slots int) {
	c.t.Helper()
	from, id := c.Primary()
	out := from.CLI("CLUSTER", "NODES")
	for line := range strings.SplitSeq(out, "\n") {
		f := strings.Fields(line)
		if len(f) > 8 && strings.Contains(f[2], "master") && f[0] != id && !strings.Contains(f[2], "fail") {
			from.CLI("--cluster", "reshard", from.Addr, "--cluster-from", id, "--cluster-to", f[0], "--cluster-slots", strconv.Itoa(slots), "--cluster-yes", "--cluster-pipeline", "100")
			return
		}
	}
	c.t.Fatal("no other node has slots")
}

// WaitOK waits until the nodes that run say that the Cluster is whole.
func (c *Cluster) WaitOK() {
	c.t.Helper()
	for end := time.Now().Add(lab.Patience); ; time.Sleep(100 * time.Millisecond) {
		all := true
		for _, n := range c.Nodes {
			if n.cmd != nil {
				out, err := n.Try("CLUSTER", "INFO")
				all = all && err == nil && strings.Contains(out, "cluster_state:ok") && strings.Contains(out, "cluster_slots_fail:0") && strings.Contains(out, "cluster_slots_pfail:0")
			}
		}
		if all {
			return
		}
		if time.Now().After(end) {
			c.t.Fatal("the Cluster is not whole")
		}
	}
}
