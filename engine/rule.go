package engine

import (
	"fmt"

	"golang.org/x/net/bpf"

	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/packet"
)

// Rule says which frames count. The zero value takes all TCP.
type Rule struct {
	Expr    string          // pcap-filter text, "dst port 25"; empty for all TCP
	Program *filter.Program // a compiled filter to use instead of Expr, for one link type
}

// link is what frames of one link type need.
type link struct {
	decoder packet.Decoder
	filter  *filter.Program
}

func (r *Rule) newLink(t packet.LinkType) (*link, error) {
	p, err := r.compile(filter.Config{Link: int(t), Savefile: true})
	if err != nil {
		return nil, err
	}
	return &link{decoder: packet.Decoder{Link: t}, filter: p}, nil
}

// Kernel returns the rule as a program for a packet socket whose frames are of
// link type t.
func (r *Rule) Kernel(t packet.LinkType) ([]bpf.RawInstruction, error) {
	p, err := r.compile(filter.Config{Link: int(t), KernelVLAN: t == packet.LinkEthernet})
	if err != nil {
		return nil, err
	}
	return p.Instructions(), nil
}

// Check reports what is wrong with the rule for frames of link type t.
func (r *Rule) Check(t packet.LinkType) error {
	_, err := r.compile(filter.Config{Link: int(t), Savefile: true})
	return err
}

// compile adds to the rule what p0f adds: TCP alone, and on Ethernet the same
// behind one VLAN tag (p0f v3 §1.1).
func (r *Rule) compile(cfg filter.Config) (*filter.Program, error) {
	if r.Program != nil {
		return r.Program, nil
	}
	plain, tagged := "tcp", "tcp or (vlan and tcp)"
	if r.Expr != "" {
		// On its own first, so that an error speaks of the rule as given.
		if _, err := filter.Compile(r.Expr, cfg); err != nil {
			return nil, err
		}
		plain = "tcp and (" + r.Expr + ")"
		tagged = "(" + plain + ") or (vlan and " + plain + ")"
	}
	p, err := filter.Compile(plain, cfg)
	if cfg.Link == int(packet.LinkEthernet) {
		if q, e := filter.Compile(tagged, cfg); e == nil {
			p, err = q, nil
		}
	}
	if err != nil {
		return nil, err
	}
	if p.RejectsAll() {
		return nil, fmt.Errorf("filter %q: no TCP packet can match it", r.Expr)
	}
	return p, nil
}
