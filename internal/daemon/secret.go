package daemon

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/query"
)

// readToken reads a file with a token, which not every user may read.
func readToken(path string) (string, error) {
	token, err := readPrivate(path, "a token")
	if err == nil {
		if err = query.CheckToken(token); err != nil {
			err = fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "query: "))
		}
	}
	return token, err
}

// readSecret reads a file with one line, which not every user may read.
func readSecret(path string) (string, error) {
	secret, err := readPrivate(path, "one line")
	if err == nil && (secret == "" || strings.ContainsAny(secret, "\r\n")) {
		err = fmt.Errorf("%s: not a file with one line", path)
	}
	return secret, err
}

// readPrivate reads a small file with what.
func readPrivate(path, what string) (string, error) {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return "", err
	case !st.Mode().IsRegular() || st.Size() > 1024:
		return "", fmt.Errorf("%s: not a file with %s", path, what)
	case st.Mode().Perm()&0o007 != 0:
		return "", fmt.Errorf("%s: every user may read it; chmod o= %s", path, path)
	}
	text, err := os.ReadFile(path)
	return strings.TrimSpace(string(text)), err
}

// certificates are those of a file, or of the system's CAs: now, because the sandbox
// hides their files later.
func certificates(path string) (*x509.CertPool, error) {
	if path == "" {
		return x509.SystemCertPool()
	}
	text, err := readPEM(path)
	pool := x509.NewCertPool()
	if err == nil && !pool.AppendCertsFromPEM(text) {
		err = errors.New("no certificate in PEM in " + path)
	}
	return pool, err
}

// maxPEM is the size of a bundle of all CAs, several times, in bytes.
const maxPEM = 4 << 20

// readPEM reads a file with certificates or a key. It does not wait for the writer of a
// pipe, which would hold up a start, and a reload for good.
func readPEM(path string) ([]byte, error) {
	f, err := signature.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if len(text) > maxPEM {
		err = fmt.Errorf("%s: more than 4 MiB", path)
	}
	return text, err
}
