package contrib

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// TestAlerts has promtool run the tests of the alert rules, which have every
// alert fire once and be silent once.
func TestAlerts(t *testing.T) {
	promtool := lab.NeedProgram(t, "promtool")
	tests := read(t, "prometheus/mxprint_test.yml")
	for _, m := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(read(t, "prometheus/mxprint.yml"), -1) {
		if !strings.Contains(tests, "alertname: "+m[1]+"\n") || !strings.Contains(tests, "alertname: "+m[1]+", exp_alerts: []") {
			t.Errorf("no test that %s fires, or none that it does not", m[1])
		}
	}
	for _, args := range [][]string{{"check", "rules", "mxprint.yml"}, {"test", "rules", "mxprint_test.yml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = "prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
}
