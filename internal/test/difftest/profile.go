// Package difftest makes captures on which the real p0f 3.09b and mxprint must
// write the same log, and finds the first line on which they do not.
//
// Use it to prove the compatible mode: Generate builds a capture from a seed
// and a Profile, Compare runs both programs over it. Use it also to debug one
// seed (the command in cmd/difftest writes the capture and shrinks it). It is
// no test of speed, of live capture or of the socket, and it does not decide
// which of the two is right: the real p0f does.
//
// The generator follows p0f-v3.md §12; each class of packets names its section.
// It reads signatures with a reader of its own (fp.go), written from the text
// of p0f-v3.md §2 and not from package signature, so that a common misreading
// cannot hide.
//
// Everything is decided by the seed: no clock, no map order, no global random
// source. The same seed, profile and database give the same bytes.
package difftest

// StockDatabase is where Debian's p0f has its database. It is read, never
// copied: a Profile without a database of its own draws its templates from it.
const StockDatabase = "/etc/p0f/p0f.fp"

// Profile says what one capture is like and how both programs are called on
// it. The zero value of a field takes the default named beside it. A Profile
// is a plain value.
type Profile struct {
	Name   string
	Hosts  int      // hosts that talk to each other, each with an IPv4 and an IPv6 address; 6
	Frames int      // frames in the capture; 600
	DB     string   // text of the database; empty = StockDatabase
	Args   []string // further arguments for both programs, such as "-m", "3,20"
	Noise  float64  // share of frames damaged on purpose, 0..1 (p0f-v3.md §12.2 class 5)
	Pace   Pace     // how fast packets follow one another
	Web    bool     // most of the traffic is HTTP
	Every  int      // tests run it on one seed in this many; 1
}

// Pace is how fast the packets of a capture follow one another, and so how many
// flows and hosts grow too old.
type Pace int

// Varied has seconds and minutes between packets, in stretches; Quick seldom
// has; under Flood a thousand packets pass in a second.
const (
	Varied Pace = iota
	Quick
	Flood
)

// Profiles returns the profiles that every seed is run with (p0f-v3.md §12.1). The
// callers get a slice of their own.
func Profiles() []Profile {
	return []Profile{
		{Name: "stock", Hosts: 6, Frames: 600, Noise: 0.01},
		{Name: "few", Hosts: 3, Frames: 1000, Noise: 0.01, Pace: Quick},
		{Name: "noise", Hosts: 6, Frames: 800, Noise: 0.05},
		{Name: "hosts14", Hosts: 14, Frames: 1500, Noise: 0.01},
		{Name: "m5-8", Hosts: 40, Frames: 1500, Args: []string{"-m", "5,8"}, Pace: Quick},
		{Name: "m3-20", Hosts: 30, Frames: 1500, Args: []string{"-m", "3,20"}, Noise: 0.01},
		{Name: "m50-10", Hosts: 14, Frames: 2500, Args: []string{"-m", "50,10"}, Noise: 0.01, Pace: Quick},
		{Name: "m10-5", Hosts: 30, Frames: 800, Args: []string{"-m", "10,5", "-t", "2,1"}, Noise: 0.05},
		{Name: "t1-1", Hosts: 30, Frames: 800, Args: []string{"-t", "1,1"}, Noise: 0.05},
		{Name: "custom1", Hosts: 6, Frames: 800, DB: CustomDatabase(1), Noise: 0.02},
		{Name: "custom2", Hosts: 4, Frames: 1000, DB: CustomDatabase(2), Noise: 0.02, Pace: Quick},
		{Name: "rule4", Hosts: 5, Frames: 700, Args: []string{"port 25 and not host 198.18.0.3"}, Noise: 0.05},
		{Name: "rule6", Hosts: 8, Frames: 700, Args: []string{"-m", "30,9", "ip6 or net 198.18.0.4/31"}, Noise: 0.05, Pace: Quick},
		{Name: "custom3", Hosts: 30, Frames: 1200, DB: CustomDatabase(3), Args: []string{"-m", "20,30"}, Noise: 0.02},
		{Name: "web", Hosts: 6, Frames: 2000, Web: true, Noise: 0.002},
		{Name: "web3", Hosts: 3, Frames: 2000, Web: true, Pace: Quick},
		{Name: "web-m4-9", Hosts: 20, Frames: 1200, Args: []string{"-m", "4,9"}, Web: true, Noise: 0.01, Pace: Quick},
		{Name: "webcustom1", Hosts: 5, Frames: 2000, DB: CustomDatabase(5), Web: true, Pace: Quick},
		{Name: "webcustom2", Hosts: 4, Frames: 2000, DB: CustomDatabase(6), Web: true, Noise: 0.002},
		// Enough of everything to fill the tables at their default limits.
		{Name: "wide", Hosts: 20000, Frames: 24000, Pace: Flood, Every: 20},
	}
}

func (p Profile) withDefaults() Profile {
	if p.Hosts <= 0 {
		p.Hosts = 6
	}
	if p.Frames <= 0 {
		p.Frames = 600
	}
	if p.Every <= 0 {
		p.Every = 1
	}
	return p
}
