//go:build linux

// Package site is a whole mail site in namespaces: Postfix with our milter, rspamd,
// amavis with SpamAssassin, and Sieve; programs that are not ours send to it. It
// shows that the verdicts of the filters arrive and what the report says of them,
// and that mail passes whatever becomes of the store.
package site

import (
	"os"
	"testing"

	"github.com/mxprint/mxprint/internal/test/mailtest"
)

func TestMain(m *testing.M) { os.Exit(mailtest.Run(m)) }
