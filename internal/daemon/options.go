package daemon

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Options are p0f's command-line options (p0f-v3.md §10.1).
type Options struct {
	Interface   string        // -i
	File        string        // -r
	Promiscuous bool          // -p
	List        bool          // -L: list the interfaces, and nothing else
	Database    string        // -f; empty for the default
	Log         string        // -o
	Socket      string        // -s
	User        string        // -u
	Daemon      bool          // -d
	MaxClients  int           // -S; defaultMaxClients unless given
	ConnAge     time.Duration // -t, first number
	HostAge     time.Duration // -t, second number
	MaxConns    int           // -m, first number
	MaxHosts    int           // -m, second number
	Rule        string        // the argument; empty for none
}

// defaultMaxClients is the number of API clients without -S. Deviation: p0f
// serves 20 at most, and lets the others hang.
const defaultMaxClients = 10000

// p0f's defaults.
const (
	p0fMaxClients   = 20 // may be said without -s
	defaultConnAge  = 30 * time.Second
	defaultHostAge  = 120 * time.Minute
	defaultMaxConns = 1000
	defaultMaxHosts = 10000
)

// ErrUsage says that the options could not be read; the command prints its
// usage.
var ErrUsage = errors.New("wrong usage")

// ParseArgs reads p0f's command line without the program's name. Like p0f it
// stops at the first argument that is no option; what follows may be one
// filter rule.
func ParseArgs(args []string) (*Options, error) {
	p := argParser{
		opt: Options{
			MaxClients: defaultMaxClients,
			ConnAge:    defaultConnAge, HostAge: defaultHostAge,
			MaxConns: defaultMaxConns, MaxHosts: defaultMaxHosts,
		},
		args: args,
		seen: make(map[byte]bool),
	}
	for p.next() {
		if err := p.option(); err != nil {
			return nil, err
		}
		if p.opt.List {
			return &p.opt, nil // p0f lists at once, and reads no further
		}
	}
	switch {
	case len(p.args) > 1:
		return nil, fmt.Errorf("%w: one filter rule at most, put it in quotes: %q", ErrUsage, p.args)
	case len(p.args) == 1 && p.args[0] == "":
		return nil, errors.New("the filter rule is empty")
	case len(p.args) == 1:
		p.opt.Rule = p.args[0]
	}
	if err := p.opt.check(p.seen); err != nil {
		return nil, err
	}
	return &p.opt, nil
}

// argParser reads options as getopt does: -dp is -d -p, -S20 is -S 20.
type argParser struct {
	opt  Options
	args []string
	word string // what is left of a word of options
	seen map[byte]bool
}

// next reports whether another option stands at the front.
func (p *argParser) next() bool {
	if p.word != "" {
		return true
	}
	if len(p.args) == 0 || len(p.args[0]) < 2 || p.args[0][0] != '-' {
		return false
	}
	p.word = p.args[0][1:]
	p.args = p.args[1:]
	return p.word != "-"
}

// value takes the argument of an option.
func (p *argParser) value(opt byte) (string, error) {
	if v := p.word; v != "" {
		p.word = ""
		return v, nil
	}
	if len(p.args) == 0 {
		return "", fmt.Errorf("%w: -%c wants an argument", ErrUsage, opt)
	}
	v := p.args[0]
	p.args = p.args[1:]
	return v, nil
}

func (p *argParser) option() error {
	o, c := &p.opt, p.word[0]
	p.word = p.word[1:]
	twice := p.seen[c]
	p.seen[c] = true
	if strings.IndexByte("Stm", c) >= 0 {
		return p.numbers(c)
	}
	alone := map[byte]*bool{'p': &o.Promiscuous, 'L': &o.List, 'd': &o.Daemon}[c]
	text := map[byte]*string{'i': &o.Interface, 'r': &o.File, 'f': &o.Database, 'o': &o.Log, 's': &o.Socket, 'u': &o.User}[c]
	switch {
	case alone == nil && text == nil:
		return fmt.Errorf("%w: unknown option -%c", ErrUsage, c)
	case twice:
		return fmt.Errorf("-%c may be given once", c)
	case alone != nil:
		*alone = true
		return nil
	}
	v, err := p.value(c)
	if err != nil {
		return err
	}
	if v == "" { // what p0f cannot open either; here it would mean "not given"
		return fmt.Errorf("-%c: the argument is empty", c)
	}
	*text = v
	return nil
}

// numbers reads the options with numbers. That one was given before is
// noticed, as in p0f, where it changed the default.
func (p *argParser) numbers(c byte) error {
	v, err := p.value(c)
	if err != nil {
		return err
	}
	var changed bool
	switch c {
	case 'S':
		changed = p.opt.MaxClients != defaultMaxClients
		err = number(&p.opt.MaxClients, v, 1, 100)
		if err != nil {
			err = fmt.Errorf("-S wants a number of clients, 1 to 100: %q", v)
		}
	case 't':
		changed = p.opt.ConnAge != defaultConnAge || p.opt.HostAge != defaultHostAge
		var conn, host int
		if conn, host, err = pair(v, 1_000_000, 1_000_000); err != nil {
			err = fmt.Errorf("-t wants seconds,minutes, each 1 to 1000000: %q", v)
		}
		p.opt.ConnAge, p.opt.HostAge = time.Duration(conn)*time.Second, time.Duration(host)*time.Minute
	case 'm':
		changed = p.opt.MaxConns != defaultMaxConns || p.opt.MaxHosts != defaultMaxHosts
		p.opt.MaxConns, p.opt.MaxHosts, err = pair(v, 100_000, 500_000)
		if err != nil {
			err = fmt.Errorf("-m wants connections,hosts, at most 100000,500000: %q", v)
		}
	}
	if changed {
		return fmt.Errorf("-%c may be given once", c)
	}
	return err
}

var errNumber = errors.New("not a number in range")

// number reads a number as C's atol does: what follows the digits is ignored.
func number(n *int, s string, low, high int) error {
	v := 0
	s = strings.TrimLeft(s, " \t+")
	for i := 0; i < len(s) && s[i] >= '0' && s[i] <= '9' && v <= high; i++ {
		v = v*10 + int(s[i]-'0')
	}
	if v < low || v > high {
		return errNumber
	}
	*n = v
	return nil
}

// pair reads two numbers with a comma between; text may follow the second.
func pair(s string, high1, high2 int) (a, b int, err error) {
	first, second, ok := strings.Cut(s, ",")
	if !ok || strings.Trim(first, "0123456789") != "" {
		return 0, 0, errNumber
	}
	if err := number(&a, first, 1, high1); err != nil {
		return 0, 0, err
	}
	return a, b, number(&b, second, 1, high2)
}

// check refuses the combinations that p0f refuses.
func (o *Options) check(seen map[byte]bool) error {
	switch {
	case o.File != "" && seen['i']:
		return errors.New("-r and -i together: a file or an interface, not both")
	case o.File != "" && o.Promiscuous:
		return errors.New("-p is for interfaces, not for -r")
	case o.File != "" && seen['s']:
		return errors.New("-s is for live capture, not for -r")
	case o.File != "" && o.Daemon:
		return errors.New("-d is for live capture, not for -r")
	case o.Daemon && !seen['o'] && !seen['s']:
		return errors.New("-d wants -o or -s: without them no result would be seen")
	case seen['S'] && o.MaxClients != p0fMaxClients && !seen['s']:
		return errors.New("-S is for the API, give -s too")
	}
	return nil
}
