package verdict

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"
)

// maxHeader is how much of a message is read, in bytes.
const maxHeader = 256 << 10

// ErrNoID is the error of a message that has no header of ours.
var ErrNoID = errors.New(`the message has no header of mxprint with an id (form = "full" of [milter] writes it)`)

// header reads the header of a message. A first line of an mbox is left out.
func header(r io.Reader) (textproto.MIMEHeader, error) {
	in := bufio.NewReader(io.LimitReader(r, maxHeader))
	if begin, _ := in.Peek(5); string(begin) == "From " {
		if _, err := in.ReadString('\n'); err != nil {
			return nil, err
		}
	}
	h, err := textproto.NewReader(in).ReadMIMEHeader()
	if err != nil && len(h) == 0 {
		return nil, fmt.Errorf("that is no message: %w", err)
	}
	return h, nil
}

var idWord = regexp.MustCompile(`^id=([a-z2-7]{20})(?: |$)`)

// id returns the id of our header: the first one of that name in a message is ours,
// as the milter removes those that came.
func id(value string) (string, error) {
	if m := idWord.FindStringSubmatch(strings.TrimSpace(value)); m != nil {
		return m[1], nil
	}
	return "", ErrNoID
}

// Learned makes the line of a message that a person called spam or ham.
func Learned(r io.Reader, name string, spam bool) (*Line, error) {
	h, err := header(r)
	if err != nil {
		return nil, err
	}
	l := &Line{Source: "learn", Person: true, Verdict: "ham"}
	if spam {
		l.Verdict = "spam"
	}
	l.ID, err = id(h.Get(name))
	return l, err
}

// assassin is what SpamAssassin and amavis write: "Yes, score=15.2 required=5.0".
var assassin = regexp.MustCompile(`^(?:Yes|No),\s+score=(-?[0-9.]+)\s+(?:tagged_above=\S+\s+)?required=([0-9.]+)`)

// spamd is what rspamd's milter_headers write (routine x-spamd-result):
// "default: False [1.20 / 15.00];".
var spamd = regexp.MustCompile(`^[^:]*:\s+(?:True|False)\s+\[(-?[0-9.]+)\s+/\s+([0-9.]+)\]`)

// Headers are those that FromHeaders reads, besides our own.
func Headers() []string { return []string{"X-Spam-Status", "X-Spamd-Result"} }

// Filtered makes the line of a message by the headers that a filter wrote.
func Filtered(r io.Reader, name string) (*Line, error) {
	h, err := header(r)
	if err != nil {
		return nil, err
	}
	return FromHeaders(h.Get, name)
}

// FromHeaders makes the line of a message by its headers: get returns the first of
// a name; ours has the name given.
func FromHeaders(get func(string) string, name string) (*Line, error) {
	l := new(Line)
	for _, f := range []struct {
		header, source string
		form           *regexp.Regexp
	}{{"X-Spam-Status", "spamassassin", assassin}, {"X-Spamd-Result", "rspamd", spamd}} {
		m := f.form.FindStringSubmatch(strings.TrimSpace(get(f.header)))
		if m == nil {
			continue
		}
		score, err1 := strconv.ParseFloat(m[1], 64)
		threshold, err2 := strconv.ParseFloat(m[2], 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("%s: %w", f.header, err)
		}
		var err error
		l.Source, l.Score, l.Threshold = f.source, &score, &threshold
		l.ID, err = id(get(name))
		return l, err
	}
	return nil, errors.New("the message has no X-Spam-Status or X-Spamd-Result")
}
