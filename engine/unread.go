package engine

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/packet"
)

// unread counts what sources held and the engine did not read, by kind.
type unread struct {
	mu      sync.Mutex
	tunnels map[tunnelled]uint64
	links   map[packet.LinkType]uint64
	broken  map[error]uint64 // frames of an interface

	cut, cutAnswers uint64 // SYNs and SYN+ACKs whose headers were captured in part
}

// tunnelled is why a tunnel was not opened.
type tunnelled struct {
	kinds  packet.Tunnels
	reason error
}

// maxUnread bounds the different kinds that are counted; reasons and kinds are few,
// but kinds come together in any way.
const maxUnread = 1000

// add adds what one input counted.
func (u *unread) add(v *unread) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for k, n := range v.tunnels {
		countTo(&u.tunnels, k, n)
	}
	for k, n := range v.links {
		countTo(&u.links, k, n)
	}
	for k, n := range v.broken {
		countTo(&u.broken, k, n)
	}
	u.cut += v.cut
	u.cutAnswers += v.cutAnswers
}

// refused is the error for frames of link types that are not supported.
func (u *unread) refused() error {
	for link, n := range u.links {
		return fmt.Errorf("%s of link type %d: %w", plural(n, "frame"), link, filter.ErrLink)
	}
	return nil
}

func countTo[K comparable](m *map[K]uint64, k K, n uint64) {
	if *m == nil {
		*m = make(map[K]uint64)
	}
	if _, known := (*m)[k]; known || len(*m) < maxUnread {
		(*m)[k] += n
	}
}

// publishUnread moves what an interface has counted to the engine, as its source does not
// end. What a file has is added at its end, with its answer.
func (in *input) publishUnread() {
	v := &in.unread
	if !in.live || len(v.tunnels) == 0 && len(v.broken) == 0 && v.cut+v.cutAnswers == 0 {
		return
	}
	in.engine.unread.add(v)
	clear(v.tunnels)
	clear(v.broken)
	v.cut, v.cutAnswers = 0, 0
}

// counts sets what is not read in a Stats.
func (u *unread) counts(st *Stats) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, n := range u.tunnels {
		st.Unread += n
	}
	for _, n := range u.broken {
		st.Unread += n
	}
	st.Cut = u.cut + u.cutAnswers
}

// Unread returns one line for each kind of what was not read since the engine was
// made, sorted. It may be called at any time; of a file it counts when that has
// ended.
func (e *Engine) Unread() []string {
	u := &e.unread
	u.mu.Lock()
	defer u.mu.Unlock()
	var lines []string
	for k, n := range u.tunnels {
		reason := k.reason.Error()[len("packet: "):]
		if kinds := k.kinds.String(); kinds != "" {
			reason = kinds + ": " + reason
		}
		lines = append(lines, fmt.Sprintf("%s: %s", plural(n, "frame"), reason))
	}
	for err, n := range u.broken {
		lines = append(lines, fmt.Sprintf("%s: %s", plural(n, "frame"), strings.TrimPrefix(err.Error(), "packet: ")))
	}
	const advice = ", capture with -s 96 or more"
	for name, n := range map[string]uint64{"SYN": u.cut, "SYN+ACK": u.cutAnswers} {
		switch {
		case n == 1:
			lines = append(lines, "1 "+name+" cut inside its header"+advice)
		case n > 1:
			lines = append(lines, fmt.Sprintf("%d %ss cut inside their headers%s", n, name, advice))
		}
	}
	if n := e.lone(); n > 0 && !e.readsLone && !e.live.Load() {
		lines = append(lines, plural(n, "SYN+ACK")+" whose SYN is not in the capture")
	}
	slices.Sort(lines)
	return lines
}

func (e *Engine) lone() (n uint64) {
	for _, s := range e.shards {
		s.mu.Lock()
		n += s.table.Lone()
		s.mu.Unlock()
	}
	return n
}

func plural(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// opens reports whether tunnels are looked for: on an interface only if any are to
// be opened.
func (in *input) opens() bool { return !in.matched }

// whole returns a frame with the tag that the kernel took out of it, valid until
// the next call: three tags are a tunnel.
func (in *input) whole(f *capture.Frame) []byte {
	const tagAt = 12
	if !f.Tagged || f.Link != packet.LinkEthernet || len(f.Data) < tagAt {
		return f.Data
	}
	in.tagged = append(in.tagged[:0], f.Data[:tagAt]...)
	in.tagged = append(in.tagged, 0x81, 0, byte(f.VLAN>>8), byte(f.VLAN))
	in.tagged = append(in.tagged, f.Data[tagAt:]...)
	return in.tagged
}

// inner enters the packet inside the tunnels of a frame. It reports false for a
// frame to be entered as it is.
func (in *input) inner(f *capture.Frame) bool {
	ip, kinds, err := in.engine.tunnels.Inner(f.Link, in.whole(f))
	if kinds == 0 && (ip == nil && err == nil || in.engine.rule.P0f) {
		return false
	}
	if err != nil {
		// A rule that names the tags may have taken it all the same.
		if !in.takesOuter(f) || !in.enter(f, in.link, 0) {
			countTo(&in.unread.tunnels, tunnelled{kinds, err}, 1)
		}
		return true
	}
	g := &in.unwrapped
	*g = capture.Frame{Time: f.Time, Data: ip, WireLen: max(f.WireLen-len(f.Data), 0) + len(ip), Link: packet.LinkRaw}
	if in.takesInner(g) || in.takesOuter(f) {
		in.enter(g, in.raw, kinds)
	}
	return true
}

// takesInner matches an inner packet with the rule. A rule about link headers, or
// a program compiled for them, cannot match it.
func (in *input) takesInner(f *capture.Frame) bool {
	if in.raw == nil {
		in.raw = &link{packet.Decoder{Link: packet.LinkRaw}, new(filter.LinkRule)}
		rule := in.engine.rule
		if l, err := rule.ForLink(int(packet.LinkRaw), in.live); err == nil && rule.Program == nil {
			in.raw.rule, in.rawRule = l, true
		}
	}
	return in.rawRule && in.raw.rule.Match(f.Data, f.WireLen)
}

// takesOuter matches the frame around an inner packet with the rule.
func (in *input) takesOuter(f *capture.Frame) bool {
	return in.use(f.Link) == nil && in.link.rule.Match(f.Data, f.WireLen)
}

// countBroken counts a frame of an interface that does not decode and that is not
// merely another protocol: the kernel let it pass, so it was to be read.
func (in *input) countBroken(err error) {
	if _, isVersion := err.(packet.VersionError); isVersion || err == packet.ErrNotIP || err == packet.ErrHeader || err == packet.ErrShort {
		countTo(&in.unread.broken, err, 1)
	}
}

// countCut counts a SYN or SYN+ACK that did not decode because its header was
// captured in part.
func (in *input) countCut(l *link, f *capture.Frame, err error) {
	if err != packet.ErrCut && err != packet.ErrShort {
		return
	}
	if in.live && f.WireLen <= len(f.Data) {
		return // it is all there, and malformed
	}
	switch l.decoder.CutSYN(f.Data) {
	case packet.SYN:
		in.unread.cut++
	case packet.SYNACK:
		in.unread.cutAnswers++
	}
}
