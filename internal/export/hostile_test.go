package export

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/evidence"
	"github.com/mxprint/mxprint/internal/view"
)

// answering is a server that answers every INSERT in one way, and otherwise as
// ClickHouse does.
func answering(t *testing.T, answer http.HandlerFunc) (url string, k *taker) {
	k = newTaker(t)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Query().Get("query"), "INSERT") {
			io.Copy(io.Discard, r.Body) // the server then notices when the client has gone
			answer(w, r)
			return
		}
		k.serve(w, r)
	}))
	t.Cleanup(front.Close)
	return front.URL, k
}

// TestHostileAnswer: rows that were not taken stay, whatever the server answers.
func TestHostileAnswer(t *testing.T) {
	endless := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(bytes.Repeat([]byte("x"), 1<<16)); err != nil {
				return
			}
		}
	}
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	for name, answer := range map[string]http.HandlerFunc{
		"200 with the text of an error": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "Code: 241. DB::Exception: Memory limit exceeded")
		},
		"200 with the code of an error": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-ClickHouse-Exception-Code", "241") },
		"200 of a web server":           func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>It works!") },
		"200 without an end":            endless,
		"500 without an end": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			endless(w, r)
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		},
		"200 that is cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(http.StatusOK)
		},
		"no answer": func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := answering(t, answer)
			cfg := to(t, url, t.TempDir())
			cfg.ClickHouse.deadline = 100 * time.Millisecond
			e, _ := running(t, cfg)
			e.Observe(syn(1))
			until(t, "a failure", func() bool { return e.Stats().Failures > 0 })
			if st := e.Stats(); st.Sent != 0 || st.Waiting != 1 || st.Fault == "" || len(st.Fault) > 1000 {
				t.Errorf("%+v", st)
			}
		})
	}
	if elsewhere > 0 {
		t.Errorf("%d requests, with the password, went where the server pointed to", elsewhere)
	}
}

// rowsOf is a report from a server that answers a question for rows in one way.
func rowsOf(t *testing.T, answer func(io.Writer)) (*evidence.Report, error) {
	t.Helper()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, _ := io.ReadAll(r.Body)
		if strings.Contains(string(query), "count()") {
			io.WriteString(w, "1000\n")
			return
		}
		answer(w)
	}))
	defer front.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return evidence.Make(ctx, &Reader{ClickHouse: to(t, front.URL, t.TempDir()).ClickHouse}, time.Now(), 14)
}

// TestHostileRows: a report is made of whole answers alone, bounded, and shows
// nothing that a terminal or a browser would obey.
func TestHostileRows(t *testing.T) {
	row := func(i int, name, token string) string {
		text, _ := json.Marshal([]any{fmt.Sprint(time.Now().Add(-time.Hour).UnixMicro()), "::ffff:192.0.2.1", 2525, fmt.Sprint(i * 7919), name,
			[]string{token, "os=Linux"}, []any{[]any{"rspamd" + token, i%2 == 0, true, false, 20, 6}}})
		return string(text) + "\n"
	}
	for name, answer := range map[string]string{
		"an error in the middle":  row(1, "a", "b") + "Code: 241. DB::Exception: Memory limit exceeded\n",
		"the end of another list": row(1, "a", "b") + "]" + row(2, "a", "b"),
		"a row of 16 MiB":         `["` + strings.Repeat("1", 16<<20) + `"]` + "\n",
		"another row":             "[1]\n",
		"null":                    "null\n",
		"an object":               "{}\n",
		"no address":              `["1","",2525,"1","a",[],[]]` + "\n",
		"a port too many":         `["1","::1",70000,"1","a",[],[]]` + "\n",
	} {
		if _, err := rowsOf(t, func(w io.Writer) { io.WriteString(w, answer) }); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := rowsOf(t, func(w io.Writer) {
		io.WriteString(w, row(1, "a", "b"))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}); err == nil {
		t.Error("half an answer is taken for a report")
	}
	for _, answer := range []string{
		`["9223372036854775807",null,0,"1",null,null,null]` + "\n", `["-9223372036854775808","::1",0,"18446744073709551615","",[],[[],[1,2,3,4,5,6]]]` + "\n",
		`["1","::1",0,"1","",[],[["a",true,true,true,1e308,-1e308]],"more","and more"]` + "\n",
	} {
		rowsOf(t, func(w io.Writer) { io.WriteString(w, answer) }) // ends
	}
	const evil = "x=\x1b]0;owned\a<script>alert(1)</script>\u009b31m\u202e"
	report, err := rowsOf(t, func(w io.Writer) {
		for i := range 2000 {
			io.WriteString(w, row(i, evil, evil))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	var text, page bytes.Buffer
	if err := report.Print(view.Cleaner(&text)); err != nil {
		t.Fatal(err)
	}
	if err := report.HTML(&page); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(text.String(), "\x1b\a\u009b\u202e") || strings.Contains(page.String(), "<script>alert") {
		t.Errorf("the report obeys a row: %.2000q\n%.2000q", text.String(), page.String())
	}
	if !strings.Contains(text.String(), "script") {
		t.Errorf("nothing hostile came through:\n%s", text.String())
	}
}
