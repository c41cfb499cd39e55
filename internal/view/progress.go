package view

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// patience is how long work may take before its progress shows.
const patience = 2 * time.Second

// Progress shows on a terminal how far a long piece of work has come, from
// two seconds on, and leaves nothing behind. Off a terminal it prints nothing.
type Progress struct {
	w       io.Writer
	report  func() string
	stop    chan struct{}
	stopped sync.WaitGroup
}

// NewProgress starts to show what report returns, ten times a second, on w;
// report is called on another goroutine. Stop ends it.
func NewProgress(w io.Writer, quiet bool, report func() string) *Progress {
	p := &Progress{w: w, report: report, stop: make(chan struct{})}
	if quiet || !IsTerminal(w) {
		return p
	}
	p.stopped.Add(1)
	go p.run()
	return p
}

func (p *Progress) run() {
	defer p.stopped.Done()
	wait := time.NewTimer(patience)
	defer wait.Stop()
	shown := false
	for {
		select {
		case <-p.stop:
			if shown {
				fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", Width(p.w, 80)-1))
			}
			return
		case <-wait.C:
			line := Short(p.report(), Width(p.w, 80)-1)
			fmt.Fprintf(p.w, "\r%-*s", Width(p.w, 80)-1, line)
			shown = true
			wait.Reset(100 * time.Millisecond)
		}
	}
}

// Stop removes what is shown. Call it once.
func (p *Progress) Stop() {
	close(p.stop)
	p.stopped.Wait()
}
