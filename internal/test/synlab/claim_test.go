package synlab

import "testing"

func TestClaims(t *testing.T) {
	for _, tt := range []struct {
		name, kernel string
		want         bool
	}{
		{"Linux", "6.18.44", true},
		{"Linux or Android", "6.18.44", true},
		{"Linux 4.20 and newer", "6.18.44", true},
		{"Linux 4.20 and newer", "4.19.300", false},
		{"Linux 4.20 and newer (tuned)", "4.19.300", false},
		{"Linux 6.6 to 6.9 (or tuned)", "6.18.44", true},
		{"Linux 6.6 to 6.9 (tuned)", "6.18.44", false},
		{"Linux 6.6 to 6.9 (tuned)", "6.8.0", true},
		{"Linux 3.10 to 4.19", "4.20", false},
		{"Linux 3.10 to 4.19", "4.4", true},
		{"Linux 2.6.32 to 3.10", "3.2", true},
		{"Windows XP", "6.18.44", false},
		{"???", "6.18.44", false},
	} {
		got, err := Claims(tt.name, tt.kernel)
		if err != nil || got != tt.want {
			t.Errorf("Claims(%q, %q) = %v, %v, want %v", tt.name, tt.kernel, got, err, tt.want)
		}
	}
	for _, tt := range [][2]string{{"Linux 4 and then some", "6.1"}, {"Linux 3.10 to 4.19", "six"}} {
		if got, err := Claims(tt[0], tt[1]); err == nil {
			t.Errorf("Claims(%q, %q) = %v, want an error", tt[0], tt[1], got)
		}
	}
}
