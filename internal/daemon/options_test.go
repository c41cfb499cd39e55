package daemon

import (
	"errors"
	"testing"
	"time"
)

// defaults are the options of an empty command line.
func defaults(edit ...func(*Options)) Options {
	o := Options{MaxClients: 10000, ConnAge: 30 * time.Second, HostAge: 2 * time.Hour, MaxConns: 1000, MaxHosts: 10000}
	for _, e := range edit {
		e(&o)
	}
	return o
}

func TestParseArgs(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want Options
	}{
		{"none", nil, defaults()},
		{"all for live capture", []string{"-i", "eth0", "-p", "-f", "p0f.fp", "-o", "p0f.log", "-s", "p0f.sock", "-u", "nobody", "-d", "-S", "100", "-t", "60,5", "-m", "2,3", "port 25"},
			Options{Interface: "eth0", Promiscuous: true, Database: "p0f.fp", Log: "p0f.log", Socket: "p0f.sock", User: "nobody", Daemon: true,
				MaxClients: 100, ConnAge: time.Minute, HostAge: 5 * time.Minute, MaxConns: 2, MaxHosts: 3, Rule: "port 25"}},
		{"file, log, user", []string{"-r", "a.pcap", "-o", "a.log", "-u", "nobody"}, defaults(func(o *Options) { o.File, o.Log, o.User = "a.pcap", "a.log", "nobody" })},
		{"daemon with a log", []string{"-d", "-o", "a"}, defaults(func(o *Options) { o.Daemon, o.Log = true, "a" })},
		{"daemon with a socket", []string{"-d", "-s", "a"}, defaults(func(o *Options) { o.Daemon, o.Socket = true, "a" })},

		// getopt.
		{"options in one word", []string{"-dpoa"}, defaults(func(o *Options) { o.Daemon, o.Promiscuous, o.Log = true, true, "a" })},
		{"option and argument in one word", []string{"-ieth0", "-S20", "-sx"}, defaults(func(o *Options) { o.Interface, o.MaxClients, o.Socket = "eth0", 20, "x" })},
		{"word with an argument behind", []string{"-po", "a"}, defaults(func(o *Options) { o.Promiscuous, o.Log = true, "a" })},
		{"an argument like an option", []string{"-o", "-p"}, defaults(func(o *Options) { o.Log = "-p" })},
		{"end of options", []string{"-p", "--", "-d"}, defaults(func(o *Options) { o.Promiscuous, o.Rule = true, "-d" })},
		{"end of options, and nothing", []string{"--"}, defaults()},
		{"a dash alone is a rule", []string{"-"}, defaults(func(o *Options) { o.Rule = "-" })},
		{"a rule", []string{"port 25"}, defaults(func(o *Options) { o.Rule = "port 25" })},
		{"an argument of one blank", []string{"-o", " "}, defaults(func(o *Options) { o.Log = " " })},

		// -L ends the reading.
		{"list", []string{"-L"}, defaults(func(o *Options) { o.List = true })},
		{"list, and what is wrong behind it", []string{"-L", "-x", "a", "b"}, defaults(func(o *Options) { o.List = true })},
		{"list in a word", []string{"-pLx"}, defaults(func(o *Options) { o.List, o.Promiscuous = true, true })},

		// Numbers.
		{"clients 1", []string{"-S", "1", "-s", "x"}, defaults(func(o *Options) { o.MaxClients, o.Socket = 1, "x" })},
		{"clients with text behind", []string{"-S", "7x", "-s", "x"}, defaults(func(o *Options) { o.MaxClients, o.Socket = 7, "x" })},
		{"clients with a sign", []string{"-S", " +7", "-s", "x"}, defaults(func(o *Options) { o.MaxClients, o.Socket = 7, "x" })},
		{"20 clients without a socket", []string{"-S", "20"}, defaults(func(o *Options) { o.MaxClients = 20 })},
		{"ages, longest", []string{"-t", "1000000,1000000"}, defaults(func(o *Options) { o.ConnAge, o.HostAge = 1e6*time.Second, 1e6*time.Minute })},
		{"ages with text behind", []string{"-t", "1,2x"}, defaults(func(o *Options) { o.ConnAge, o.HostAge = time.Second, 2*time.Minute })},
		{"limits, largest", []string{"-m", "100000,500000"}, defaults(func(o *Options) { o.MaxConns, o.MaxHosts = 100000, 500000 })},
		{"the defaults twice", []string{"-t", "30,120", "-t", "1,1", "-m", "1000,10000", "-m", "2,2"}, defaults(func(o *Options) {
			o.ConnAge, o.HostAge, o.MaxConns, o.MaxHosts = time.Second, time.Minute, 2, 2
		})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseArgs(tt.args)
			if err != nil {
				t.Fatalf("ParseArgs(%q) = %v", tt.args, err)
			}
			if *got != tt.want {
				t.Errorf("ParseArgs(%q) =\n%+v, want\n%+v", tt.args, *got, tt.want)
			}
		})
	}
}

func TestParseArgsErrors(t *testing.T) {
	const agesWant, limitsWant, clientsWant = "-t wants seconds,minutes, each 1 to 1000000: ", "-m wants connections,hosts, at most 100000,500000: ", "-S wants a number of clients, 1 to 100: "
	for _, tt := range []struct {
		name  string
		args  []string
		want  string
		usage bool // the usage is printed, too
	}{
		// Refused combinations (p0f-v3.md §10.1).
		{"file and interface", []string{"-r", "a", "-i", "b"}, "-r and -i together: a file or an interface, not both", false},
		{"file and promiscuous", []string{"-p", "-r", "a"}, "-p is for interfaces, not for -r", false},
		{"file and socket", []string{"-r", "a", "-s", "b"}, "-s is for live capture, not for -r", false},
		{"file and daemon", []string{"-r", "a", "-d", "-o", "b"}, "-d is for live capture, not for -r", false},
		{"daemon without an output", []string{"-d"}, "-d wants -o or -s: without them no result would be seen", false},
		{"clients of no socket", []string{"-S", "30"}, "-S is for the API, give -s too", false},

		// Given twice.
		{"-i twice", []string{"-i", "a", "-i", "a"}, "-i may be given once", false},
		{"-r twice", []string{"-r", "a", "-r", "a"}, "-r may be given once", false},
		{"-p twice", []string{"-pp"}, "-p may be given once", false},
		{"-f twice", []string{"-f", "a", "-f", "a"}, "-f may be given once", false},
		{"-o twice", []string{"-oa", "-ob"}, "-o may be given once", false},
		{"-s twice", []string{"-sa", "-sb"}, "-s may be given once", false},
		{"-u twice", []string{"-ua", "-ub"}, "-u may be given once", false},
		{"-d twice", []string{"-d", "-d", "-oa"}, "-d may be given once", false},
		{"-S twice", []string{"-S1", "-S2", "-sa"}, "-S may be given once", false},
		{"-t twice", []string{"-t1,1", "-t2,2"}, "-t may be given once", false},
		{"-m twice", []string{"-m1,1", "-m2,2"}, "-m may be given once", false},

		// Arguments.
		{"empty file", []string{"-r", ""}, "-r: the argument is empty", false},
		{"empty socket", []string{"-s", ""}, "-s: the argument is empty", false},
		{"clients 0", []string{"-S", "0", "-sa"}, clientsWant + `"0"`, false},
		{"clients 101", []string{"-S", "101", "-sa"}, clientsWant + `"101"`, false},
		{"clients negative", []string{"-S", "-1", "-sa"}, clientsWant + `"-1"`, false},
		{"clients in words", []string{"-S", "many", "-sa"}, clientsWant + `"many"`, false},
		{"clients beyond all numbers", []string{"-S", "18446744073709551617", "-sa"}, clientsWant + `"18446744073709551617"`, false},
		{"one age", []string{"-t", "30"}, agesWant + `"30"`, false},
		{"age 0", []string{"-t", "0,1"}, agesWant + `"0,1"`, false},
		{"second age 0", []string{"-t", "1,0"}, agesWant + `"1,0"`, false},
		{"age too long", []string{"-t", "1000001,1"}, agesWant + `"1000001,1"`, false},
		{"second age too long", []string{"-t", "1,1000001"}, agesWant + `"1,1000001"`, false},
		{"age with text", []string{"-t", "1s,1"}, agesWant + `"1s,1"`, false},
		{"limits without a number", []string{"-m", ","}, limitsWant + `","`, false},
		{"conn limit too high", []string{"-m", "100001,1"}, limitsWant + `"100001,1"`, false},
		{"host limit too high", []string{"-m", "1,500001"}, limitsWant + `"1,500001"`, false},

		// Usage.
		{"unknown option", []string{"-x"}, "wrong usage: unknown option -x", true},
		{"long option", []string{"--help"}, "wrong usage: unknown option --", true},
		{"help", []string{"-h"}, "wrong usage: unknown option -h", true},
		{"argument missing", []string{"-p", "-r"}, "wrong usage: -r wants an argument", true},
		{"argument of numbers missing", []string{"-m"}, "wrong usage: -m wants an argument", true},
		{"two rules", []string{"tcp", "port", "25"}, `wrong usage: one filter rule at most, put it in quotes: ["tcp" "port" "25"]`, true},
		{"an option after the rule", []string{"tcp", "-p"}, `wrong usage: one filter rule at most, put it in quotes: ["tcp" "-p"]`, true},
		{"empty rule", []string{""}, "the filter rule is empty", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseArgs(tt.args)
			if err == nil || got != nil {
				t.Fatalf("ParseArgs(%q) = %+v, %v, want no options and an error", tt.args, got, err)
			}
			if err.Error() != tt.want || errors.Is(err, ErrUsage) != tt.usage {
				t.Errorf("ParseArgs(%q) = %q, usage %v, want %q, %v", tt.args, err, errors.Is(err, ErrUsage), tt.want, tt.usage)
			}
		})
	}
}
