//go:build linux

package fleet

import (
	"os"
	"testing"

	"github.com/mxprint/mxprint/internal/test/mailtest"
)

func TestMain(m *testing.M) { os.Exit(mailtest.Run(m)) }
