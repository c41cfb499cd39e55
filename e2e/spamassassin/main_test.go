//go:build linux

// Package spamassassin has SpamAssassin's rules of docs/policy.md run by the
// real program.
package spamassassin

import (
	"os"
	"testing"

	"github.com/mxprint/mxprint/internal/test/mailtest"
)

func TestMain(m *testing.M) { os.Exit(mailtest.Run(m)) }
