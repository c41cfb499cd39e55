package filter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// tunnelExpr are the frames of each kind of tunnel, in words of the language.
// Those of IP are as package packet finds them: behind the extension headers that
// tunnels have, and to the ports of RFC 7348, of its generic extension, of RFC 8926 and of Linux.
var tunnelExpr = map[string]string{
	"ipip":   ipProto(4) + " or ip6 proto 41 or " + ip6Behind(41), // RFC 2003, RFC 2473
	"6in4":   "ip proto 41",                                       // RFC 4213
	"gre":    ipProto(47),                                         // RFC 2784
	"erspan": ipProto(47),
	"vxlan":  "udp dst port 4789 or udp dst port 4790 or udp dst port 8472",
	"geneve": "udp dst port 6081",

	"mpls":  "ether proto 0x8847 or ether proto 0x8848", // RFC 3032
	"pppoe": "ether proto 0x8864",                       // RFC 2516
	"snap":  "ether[12:2] <= 1500 and ether[14:2] = 0xaaaa and ether[16] = 3",
	"vlan":  "", // a third tag: see thirdTag
}

func ipProto(n int) string {
	return fmt.Sprintf("ip proto %d or ip6 proto %[1]d or %s", n, ip6Behind(n))
}

// ip6Behind are IPv6 packets with a protocol behind one extension header.
func ip6Behind(n int) string {
	return fmt.Sprintf("((ip6[6] = 0 or ip6[6] = 43 or ip6[6] = 60) and ip6[40] = %d)", n)
}

// thirdTag follows a rule for a packet after two tags, of which the kernel took one out.
const thirdTag = " or vlan"

var (
	errTunnelProgram = errors.New("a filter program cannot be matched with packets inside tunnels: give an expression")
	errTunnelWords   = errors.New("vlan, inbound, outbound and ifindex say nothing of packets inside tunnels")
	errTunnelTags    = fmt.Errorf("%w with its tunnels", ErrLong)
)

// checkTunnels wants a rule that can be matched with packets inside its tunnels, and
// tunnels that frames of the link type can be.
func (r *Rule) checkTunnels(link int) error {
	const raw = 101
	switch {
	case r.Program != nil || r.P0f:
		return errTunnelProgram
	case namesTags.MatchString(r.Expr) || namesKernel.MatchString(r.Expr):
		return errTunnelWords
	}
	if _, err := Compile(r.Expr, Config{Link: raw}); err != nil {
		return fmt.Errorf("the rule cannot be matched with packets inside tunnels: %w", err)
	}
	for _, kind := range r.Tunnels {
		expr, known := tunnelExpr[kind]
		if !known {
			return fmt.Errorf("filter: %q is not a kind of tunnel", kind)
		}
		if link != ethernet && (expr == "" || strings.Contains(expr, "ether")) {
			return fmt.Errorf("packets come without their Ethernet header: %s cannot be seen here, only on an Ethernet interface by its name", kind)
		}
	}
	return nil
}

// outer are the frames that the tunnels of a rule come in; a third tag apart.
func (r *Rule) outer() string {
	var overIP, others, from []string
	for _, kind := range r.Tunnels {
		switch expr := "(" + tunnelExpr[kind] + ")"; {
		case expr == "()" || slices.Contains(overIP, expr) || slices.Contains(others, expr):
		case strings.Contains(expr, "ether"):
			others = append(others, expr)
		default:
			overIP = append(overIP, expr)
		}
	}
	for _, network := range r.TunnelsFrom {
		from = append(from, "src net "+network.Masked().String())
	}
	if len(overIP) > 0 {
		expr := "(" + strings.Join(overIP, " or ") + ")"
		if len(from) > 0 {
			expr = "(" + expr + " and (" + strings.Join(from, " or ") + "))"
		}
		others = append(others, expr)
	}
	return strings.Join(others, " or ")
}

// kernelTunnels is Kernel with tunnels. What it takes beyond the rule is to be
// matched again, when it is opened.
func (r *Rule) kernelTunnels(link int) (*Program, error) {
	cfg := Config{Link: link, Extended: true}
	text, err := r.tcp(cfg)
	if err != nil {
		return nil, err
	}
	if err := r.checkTunnels(link); err != nil {
		return nil, err
	}
	if bare, err := Compile(text, cfg); err != nil {
		return nil, err
	} else if bare.RejectsAll() {
		return nil, r.errNone()
	}
	text = "(" + text + ") or (" + extended + ")"
	if outer := r.outer(); outer != "" {
		text += " or " + outer
	}
	if link != ethernet {
		return Compile(text, cfg)
	}
	inner := text
	if slices.Contains(r.Tunnels, "vlan") {
		inner += thirdTag
	}
	p, err := Compile("("+text+") or (vlan and ("+inner+"))", cfg)
	if errors.Is(err, ErrLong) {
		err = errTunnelTags
	}
	return p, err
}
