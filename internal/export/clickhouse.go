package export

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ClickHouse is a server, by its HTTP interface. Make it with NewClickHouse; safe
// for concurrent use.
type ClickHouse struct {
	at             string // http or https, HOST:PORT
	database, user string
	password       string
	deadline       time.Duration
	keep           int // days, after which rows are removed
	client         *http.Client
}

// ClickHouseConfig is where the server is.
type ClickHouseConfig struct {
	URL            string // http://HOST:PORT or https://HOST:PORT
	Database       string
	User, Password string
	TLS            *tls.Config
	Deadline       time.Duration // of one request
	Keep           time.Duration // of rows, whole days
}

// maxAnswer is how much of an error or of a short answer is read, in bytes.
const maxAnswer = 64 << 10

// NewClickHouse returns a client. It does not connect.
func NewClickHouse(c ClickHouseConfig) (*ClickHouse, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("export: %q is not http://HOST:PORT or https://HOST:PORT", c.URL)
	}
	t := &http.Transport{
		TLSClientConfig: c.TLS, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute,
		TLSHandshakeTimeout: c.Deadline, MaxResponseHeaderBytes: maxAnswer, DisableCompression: true,
	}
	return &ClickHouse{
		at: u.Scheme + "://" + u.Host + "/", database: c.Database, user: c.User, password: c.Password,
		deadline: c.Deadline, keep: int(c.Keep / (24 * time.Hour)),
		client: &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("it redirects: name the server itself") // the password would go along
		}},
	}, nil
}

// String is where the server is.
func (c *ClickHouse) String() string { return strings.TrimSuffix(c.at, "/") }

// Refused is an answer of the server that is an error.
type Refused struct {
	Status int
	Code   int // of the exception, 0: none (src/Common/ErrorCodes.cpp)
	Text   string
}

// Error says what the server said.
func (r *Refused) Error() string {
	return fmt.Sprintf("ClickHouse answers %d: %s", r.Status, r.Text)
}

// Codes of exceptions.
const (
	codeUnknownTable    = 60
	codeUnknownDatabase = 81
)

// badRows are the codes that say that rows themselves are wrong: to send them
// again is of no use.
var badRows = map[int]bool{
	6: true, 26: true, 27: true, 33: true, 38: true, 41: true, 72: true, 117: true, 441: true, 675: true, 676: true,
}

// do sends a query and gives the answer to read. body may be nil.
func (c *ClickHouse) do(ctx context.Context, query string, settings url.Values, body []byte, compressed bool, read func(io.Reader) error) error {
	v := url.Values{"database": {c.database}}
	maps.Copy(v, settings)
	var in io.Reader
	if body == nil {
		body = []byte(query)
	} else {
		v.Set("query", query)
	}
	in = bytes.NewReader(body)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.at+"?"+v.Encode(), in)
	if err != nil {
		return err
	}
	if c.user != "" {
		r.Header.Set("X-ClickHouse-User", c.user)
		r.Header.Set("X-ClickHouse-Key", c.password)
	}
	if compressed {
		r.Header.Set("Content-Encoding", "gzip")
	}
	answer, err := c.client.Do(r)
	if err != nil {
		var wrapped *url.Error // its text has the whole query
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.Header.Get(exceptionCode) != "" || read == nil {
		return outcome(answer)
	}
	return read(answer.Body)
}

const exceptionCode = "X-ClickHouse-Exception-Code"

// outcome reads the answer to a statement, and returns its first line, or a part of
// it, as an error. To a statement that was done ClickHouse answers nothing: a text
// is an error whatever the status, as nothing was done, or not by ClickHouse.
func outcome(answer *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if answer.StatusCode == http.StatusOK && answer.Header.Get(exceptionCode) == "" && len(bytes.TrimSpace(text)) == 0 {
		return err
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	code, _ := strconv.Atoi(answer.Header.Get(exceptionCode))
	if _, rest, ok := strings.Cut(line, "Code: "); ok && code == 0 {
		digits, _, _ := strings.Cut(rest, ".")
		code, _ = strconv.Atoi(digits)
	}
	return &Refused{answer.StatusCode, code, strings.ToValidUTF8(line[:min(len(line), 500)], "?")}
}

// timed is ctx with the deadline of one request.
func (c *ClickHouse) timed(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.deadline)
}

// exec runs a statement without an answer.
func (c *ClickHouse) exec(ctx context.Context, statement string) error {
	ctx, cancel := c.timed(ctx)
	defer cancel()
	return c.do(ctx, statement, url.Values{"max_query_size": {"1048576"}}, nil, false, nil)
}

// value reads one value.
func (c *ClickHouse) value(ctx context.Context, query string) (text string, err error) {
	ctx, cancel := c.timed(ctx)
	defer cancel()
	err = c.do(ctx, query, nil, nil, false, func(r io.Reader) error {
		b, err := io.ReadAll(io.LimitReader(r, maxAnswer))
		text = strings.TrimSpace(string(b))
		return err
	})
	return text, err
}

// insert sends a batch. The token names it: a server that has taken it leaves out
// what comes with that token again, for some time.
func (c *ClickHouse) insert(ctx context.Context, t Table, batch []byte, token string) error {
	ctx, cancel := c.timed(ctx)
	defer cancel()
	return c.do(ctx, "INSERT INTO "+t.String()+" FORMAT JSONEachRow", url.Values{
		"insert_deduplication_token":               {token},
		"input_format_skip_unknown_fields":         {"1"}, // of a table that is older than this program
		"date_time_input_format":                   {"best_effort"},
		"input_format_defaults_for_omitted_fields": {"1"},
	}, batch, true, nil)
}

// isBadRows reports whether the rows of a batch are what is wrong.
func isBadRows(err error) bool {
	var r *Refused
	return errors.As(err, &r) && badRows[r.Code]
}

func hasCode(err error, code int) bool {
	var r *Refused
	return errors.As(err, &r) && r.Code == code
}

// quote is a string of ClickHouse's SQL.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
