package engine

import (
	"testing"

	"github.com/mxprint/mxprint/host"
)

// choosy wants the observations of one module.
type choosy struct {
	recorder
	module host.Module
}

func (c *choosy) Wants(o *host.Observation) bool { return o.Module == c.module }

// TestChoosers: what no observer wants is told to nobody, unless one of them
// does not choose.
func TestChoosers(t *testing.T) {
	syns, answers, all := &choosy{module: host.SYN}, &choosy{module: host.SYNACK}, &recorder{}
	runFile(t, New(silent(t, Config{Observers: []Observer{syns, answers}})), labCapture)
	want := "syn 198.18.0.1:41688\nsyn+ack 198.18.0.1:41688\nsyn [2001:db8::1]:51546\nsyn+ack [2001:db8::1]:51546\nflush"
	for _, c := range []*choosy{syns, answers} {
		if got := join(c.said); got != want {
			t.Errorf("two that choose were told\n%s\nwant\n%s", got, want)
		}
	}
	runFile(t, New(silent(t, Config{Observers: []Observer{all, &choosy{module: host.SYN}}})), labCapture)
	if len(all.said) != 9 {
		t.Errorf("one that does not choose was told\n%s\nwant all", join(all.said))
	}
}
