package synlab

import "fmt"

// The ways in which a connection is opened.
const (
	PlainTCP     = "tcp"
	MPTCP        = "mptcp"
	FastOpen     = "fastopen"      // a SYN that asks for a cookie
	FastOpenData = "fastopen-data" // a SYN with a cookie and data
)

// Loopback is the Link of a kernel that has no veth: both ends are then one
// namespace's loopback, with the MTU of an Ethernet. Its SYNs are the same.
const Loopback = "lo"

// A Setting is one way to set up both ends of a connection. Not every kernel
// has what every one of them asks for. The zero value but
// for its name is an untouched kernel, on Ethernet.
type Setting struct {
	Name    string   `json:"name"`              // also the name of its capture
	MTU     int      `json:"mtu,omitempty"`     // bytes, of both ends; 0 leaves 1500
	Sysctls []string `json:"sysctls,omitempty"` // "net.ipv4.tcp_sack=0", at both ends
	Socket  string   `json:"socket,omitempty"`  // one of the constants above; empty is PlainTCP
	Link    string   `json:"link,omitempty"`    // Loopback; empty is a veth
	Since   string   `json:"-"`                 // the first kernel that means it; older ones take the sysctl too
	RcvBuf  int      `json:"rcvbuf,omitempty"`  // SO_RCVBUF of the client in bytes; 0 leaves it unset
}

// Settings lists all that is recorded, each over IPv4 and over IPv6, hence no MTU
// below 1280.
func Settings() []Setting {
	const (
		noTimestamps = "net.ipv4.tcp_timestamps=0"
		noSACK       = "net.ipv4.tcp_sack=0"
		noScaling    = "net.ipv4.tcp_window_scaling=0"
		fastOpen     = "net.ipv4.tcp_fastopen=3"
		guide        = "net.ipv4.tcp_rmem=4096 87380 16777216"
	)
	list := []Setting{
		{Name: "default"},
		{Name: "no-timestamps", Sysctls: []string{noTimestamps}},
		{Name: "no-sack", Sysctls: []string{noSACK}},
		{Name: "no-timestamps-sack", Sysctls: []string{noTimestamps, noSACK}},
		{Name: "no-scaling", Sysctls: []string{noScaling}},
		{Name: "no-options", Sysctls: []string{noTimestamps, noSACK, noScaling}},
		{Name: "no-flowlabel", Sysctls: []string{"net.ipv6.auto_flowlabels=0"}},
		{Name: "no-pmtu-discovery", Sysctls: []string{"net.ipv4.ip_no_pmtu_disc=1"}},
		{Name: "ecn", Sysctls: []string{"net.ipv4.tcp_ecn=1"}},
		{Name: "ecn-mtu1420", MTU: 1420, Sysctls: []string{"net.ipv4.tcp_ecn=1"}},
		{Name: "guide", Sysctls: []string{guide}},
		{Name: "guide-no-timestamps", Sysctls: []string{guide, noTimestamps}},
		{Name: "guide-mtu1400", MTU: 1400, Sysctls: []string{guide}},
		{Name: "guide-mtu9000", MTU: 9000, Sysctls: []string{guide}},
		{Name: "rmem-16k", Sysctls: []string{"net.ipv4.tcp_rmem=4096 16384 6291456"}},
		{Name: "rmem-64k", Sysctls: []string{"net.ipv4.tcp_rmem=4096 65536 6291456"}},
		{Name: "rmem-256k", Sysctls: []string{"net.ipv4.tcp_rmem=4096 262144 16777216"}},
		{Name: "rmem-max-6m", Sysctls: []string{"net.ipv4.tcp_rmem=4096 131072 6291456"}},
		{Name: "rmem-max-32m", Sysctls: []string{"net.ipv4.tcp_rmem=4096 131072 33554432"}},
		{Name: "rmem-max-64m", Sysctls: []string{"net.ipv4.tcp_rmem=4096 131072 67108864"}},
		{Name: "signed-windows", Sysctls: []string{"net.ipv4.tcp_workaround_signed_windows=1", "net.ipv4.tcp_rmem=4096 262144 16777216"}},
		{Name: "rcvbuf-16k", RcvBuf: 16 << 10},
		{Name: "rcvbuf-64k", RcvBuf: 64 << 10},
		{Name: "rcvbuf-128k", RcvBuf: 128 << 10},
		{Name: "mptcp", Socket: MPTCP},
		{Name: "mptcp-no-timestamps", Socket: MPTCP, Sysctls: []string{noTimestamps}},
		{Name: "fastopen", Socket: FastOpen, Sysctls: []string{fastOpen}},
		{Name: "fastopen-data", Socket: FastOpenData, Sysctls: []string{fastOpen}},
		{Name: "accecn", Sysctls: []string{"net.ipv4.tcp_ecn=3"}, Since: "7.0"},
		{Name: "accecn-mptcp", Socket: MPTCP, Sysctls: []string{"net.ipv4.tcp_ecn=3"}, Since: "7.0"},
		{Name: "ecn-mptcp", Socket: MPTCP, Sysctls: []string{"net.ipv4.tcp_ecn=1"}},
	}
	for _, mtu := range []int{1492, 1480, 1460, 1450, 1420, 1400, 1380, 1340, 1300, 1280, 8900, 9000, 9001} {
		list = append(list, Setting{Name: fmt.Sprintf("mtu%d", mtu), MTU: mtu})
	}
	return list
}
