package verdict

import (
	"bufio"
	"context"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// What the logs of mail servers say. Postfix: smtpd(8), "NOQUEUE: reject:" with
// the name of the list, "milter-reject:" of a filter; the port is there with
// smtpd_client_port_logging. amavis: $log_templ, "Blocked SPAM" and "Passed CLEAN".
//
// A line is taken by its own program alone, behind time and host: clients choose
// other parts of lines, such as a HELO, and could write a line of another into it.
// Of Postfix' lines what stands before the first "<" is the server's own.
const lineBegin = `^(?:\d{4}-\d\d-\d\dT\S+|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) \S+ `

var (
	logTime = regexp.MustCompile(`^(?:(\d{4}-\d\d-\d\dT\S+)|([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d))\s`)
	blocked = regexp.MustCompile(lineBegin + `postfix\S*/(?:smtpd|postscreen)\[\d+\]: NOQUEUE: reject: \S+ from (?:[^\[]*)\[([0-9a-fA-F.:]+)\](?::(\d+))?: 5\d\d [^<]*blocked using `)
	milter  = regexp.MustCompile(lineBegin + `postfix\S*/(?:smtpd|cleanup)\[\d+\]: [0-9A-Za-z]+: milter-reject: END-OF-MESSAGE from (?:[^\[]*)\[([0-9a-fA-F.:]+)\](?::(\d+))?: 5\.7\.1 [^<]*(?i:spam)`)
	amavis  = regexp.MustCompile(lineBegin + `amavis\S*\[\d+\]: \([^)]*\) (Blocked|Passed) (SPAM|SPAMMY|CLEAN)(?: \{[^}]*\})?, (?:[A-Z ]+ )?\[([0-9a-fA-F.:]+)\](?::(\d+))?.* Hits: (-?[0-9.]+)`)
)

// threshold of amavis, where its log has none: $sa_kill_level_deflt as shipped.
const amavisThreshold = 6.31

// FromLog makes the verdict of a line of a mail log; nil where it has none. now
// completes a time without a year.
func FromLog(line string, now time.Time) *Line {
	var l *Line
	if m := blocked.FindStringSubmatch(line); m != nil {
		l = sureSpam("postfix-dnsbl", m[1], m[2])
	} else if m := milter.FindStringSubmatch(line); m != nil {
		l = sureSpam("postfix-milter", m[1], m[2])
	} else if m := amavis.FindStringSubmatch(line); m != nil {
		l = &Line{Source: "amavis", Client: join(m[3], m[4]), Verdict: "ham"}
		if m[2] != "CLEAN" {
			l.Verdict = "spam"
		}
		// A sender, a subject or a Message-ID may have such words, too: then there is no score.
		if score, err := strconv.ParseFloat(m[5], 64); err == nil && strings.Count(line, " Hits: ") == 1 {
			threshold := amavisThreshold
			l.Score, l.Threshold = &score, &threshold
		}
	}
	if l != nil {
		l.Time = timeOf(line, now)
	}
	return l
}

func sureSpam(source, address, port string) *Line {
	sure := true
	return &Line{Source: source, Client: join(address, port), Verdict: "spam", Sure: &sure}
}

// join makes an address and port of what a log has.
func join(address, port string) string {
	switch {
	case port == "":
		return address
	case strings.Contains(address, ":"):
		return "[" + address + "]:" + port
	}
	return address + ":" + port
}

func timeOf(line string, now time.Time) time.Time {
	m := logTime.FindStringSubmatch(line)
	if m == nil {
		return now
	}
	if t, err := time.Parse(time.RFC3339Nano, m[1]); err == nil {
		return t
	}
	t, err := time.ParseInLocation(time.Stamp, m[2], now.Location())
	if err != nil {
		return now
	}
	t = t.AddDate(now.Year(), 0, 0)
	if t.After(now.Add(24 * time.Hour)) { // of last December
		t = t.AddDate(-1, 0, 0)
	}
	return t
}

// Count is what became of the lines of a log.
type Count struct {
	Lines, Verdicts, Taken int
	Last                   error // of the last verdict that was not taken
}

// SendLog sends the verdicts of a log until its end, or with follow as long as ctx
// goes on.
func SendLog(ctx context.Context, r io.Reader, c *Client, follow bool) (n Count, err error) {
	in := bufio.NewReaderSize(r, maxLine)
	var part []byte
	skip := false
	for {
		text, err := in.ReadSlice('\n')
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return n, err
		}
		if len(part)+len(text) > maxLine { // no mail server writes such a line, and its end is no line of its own
			skip, part = true, part[:0]
		}
		if !skip {
			part = append(part, text...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && follow:
			select {
			case <-ctx.Done():
				return n, nil
			case <-time.After(250 * time.Millisecond):
				continue
			}
		}
		if !skip && len(part) > 0 {
			n.Lines++
			if sendErr := n.send(c, string(part)); sendErr != nil {
				return n, sendErr
			}
		}
		if skip, part = false, part[:0]; err != nil {
			return n, nil
		}
	}
}

// send sends the verdict of a line. That it finds no connection ends nothing.
func (n *Count) send(c *Client, line string) error {
	l := FromLog(line, time.Now())
	if l == nil {
		return nil
	}
	n.Verdicts++
	a, err := c.Send(l)
	switch {
	case a.Error != "":
		n.Last = err
		return nil
	case err == nil:
		n.Taken++
	}
	return err
}
