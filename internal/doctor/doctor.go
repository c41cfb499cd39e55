// Package doctor finds out why a mail gets no answer: it looks at the machine,
// the configuration and the sensor, and names what is wrong with the line to
// type. It changes nothing.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/view"
)

// Finding is one thing that is wrong.
type Finding struct {
	Looked string // at what
	Found  string
	Do     string // the line to type
}

// Patient is what is examined.
type Patient struct {
	Config  *config.Config
	Postfix string        // its folder: /etc/postfix
	Rspamd  string        // its folder: /etc/rspamd
	Haraka  string        // the folder with its config; empty: not looked at
	Exim    string        // its folder: /etc/exim4
	Smtpd   string        // OpenSMTPD's file: /etc/smtpd.conf
	Time    time.Duration // how long SYNs are counted; 0: not at all

	// Answer asks the sensor at p0f's socket and returns why no answer came; nil: it is not asked.
	Answer func(context.Context) error
	// Reasons returns what the running sensor itself finds wrong (mxprint status); nil: it is not asked.
	Reasons func(context.Context) []string
}

// examination gathers findings.
type examination struct {
	*Patient
	findings []Finding
}

func (e *examination) find(looked, do, found string, args ...any) {
	e.findings = append(e.findings, Finding{looked, fmt.Sprintf(found, args...), do})
}

// Examine returns what is wrong, in the order in which to mend it; nothing on a
// sound system. An error says that SYNs could not be counted for another reason
// than those that are findings.
func (p *Patient) Examine(ctx context.Context) ([]Finding, error) {
	e := &examination{Patient: p}
	e.sensor(ctx)
	e.interfaces()
	e.cookies()
	e.sockets()
	e.postfix()
	e.rspamd()
	e.haraka()
	e.queryClients()
	e.mailServers()
	e.asked(ctx)
	var err error
	if p.Config.Sensor.Source == config.SourceCapture && p.Config.Sensor.Ask == "" && p.Time > 0 {
		err = e.count(ctx)
	}
	e.itself(ctx)
	return e.findings, err
}

// Print writes findings for people.
func Print(w io.Writer, findings []Finding) error {
	var b strings.Builder
	for i, f := range findings {
		fmt.Fprintf(&b, "%d. %s: %s\n   %s\n", i+1, view.Clean(f.Looked), view.Clean(f.Found), view.Clean(f.Do))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// answerTime is how long the sensor may take to answer.
const answerTime = 2 * time.Second

// sensor dials p0f's socket, which every sensor has, and asks there: systemd keeps the socket of a
// sensor whose start fails, and one that hangs accepts connections, too.
func (e *examination) sensor(ctx context.Context) {
	path := e.Config.P0f.Socket
	nc, err := net.DialTimeout("unix", path, answerTime)
	switch {
	case err == nil:
		nc.Close()
		e.answers(ctx, path)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		e.find("the sensor", "systemctl start mxprint; journalctl -u mxprint", "no process listens on %s", path)
	case errors.Is(err, fs.ErrPermission):
		e.find("the sensor", "set p0f.mode, or run this as root", "you may not open %s", path)
	default:
		e.find("the sensor", "systemctl restart mxprint", "%s does not answer: %v", path, err)
	}
}

func (e *examination) answers(ctx context.Context, path string) {
	if e.Answer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if err := e.Answer(ctx); err != nil {
		e.find("the sensor", "systemctl status mxprint; mxprint check; journalctl -u mxprint -n 20",
			"%s accepts connections, and no answer comes: the sensor hangs, or its start fails and systemd keeps the socket", path)
	}
}

// itself adds what the sensor reports about itself, such as a full disk, where nothing else was found.
func (e *examination) itself(ctx context.Context) {
	if e.Reasons == nil || len(e.findings) > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	for _, reason := range e.Reasons(ctx) {
		e.find("the sensor's own report", "mxprint status; journalctl -u mxprint -p warning", "%s", reason)
	}
}

// interfaces wants those of the configuration to exist and to be up.
func (e *examination) interfaces() {
	s := &e.Config.Sensor
	if s.Source != config.SourceCapture || s.Ask != "" {
		return
	}
	for _, name := range s.Interfaces {
		if name == "any" {
			continue
		}
		i, err := net.InterfaceByName(name)
		switch {
		case err != nil:
			e.find("sensor.interfaces", `ip -brief link; set sensor.interfaces to one of them, or to ["any"]`, "there is no interface %s", name)
		case i.Flags&net.FlagUp == 0:
			e.find("sensor.interfaces", "ip link set "+name+" up", "%s is down", name)
		}
	}
}

// cookies: connections that the kernel answers with SYN cookies have no saved
// SYN (tcp(7), TCP_SAVE_SYN).
func (e *examination) cookies() {
	if s := e.Config.Sensor.Source; s != config.SourceSockops && s != config.SourceProxy {
		return
	}
	const path = "/proc/sys/net/ipv4/tcp_syncookies"
	if text, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(text)) == "2" {
		e.find(path, "sysctl -w net.ipv4.tcp_syncookies=1", "every connection is answered with a SYN cookie, and the kernel keeps no SYN")
	}
}
