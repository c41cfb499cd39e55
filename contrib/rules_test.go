package contrib

import (
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/claim"
	"github.com/mxprint/mxprint/internal/conduct"
)

// TestFindingsListed: the rules for rspamd and SpamAssassin have a symbol for
// each finding there may be.
func TestFindingsListed(t *testing.T) {
	var ids []string
	for _, k := range conduct.Kinds() {
		ids = append(ids, k.ID)
	}
	for _, k := range claim.Kinds() {
		ids = append(ids, k.ID)
	}
	lua, cf := read(t, "rspamd/mxprint.lua"), read(t, "spamassassin/mxprint.cf")
	for _, id := range ids {
		if !strings.Contains(lua, "\n    "+id+` = "`) {
			t.Errorf("rspamd/mxprint.lua has no %s", id)
		}
		if !strings.Contains(cf, "\ndescribe MXPRINT_"+strings.ToUpper(id)+" ") {
			t.Errorf("spamassassin/mxprint.cf has no %s", id)
		}
	}
}
