package osversion

import "testing"

// TestClaims holds flavors against the versions of rows.
func TestClaims(t *testing.T) {
	for _, tt := range []struct {
		flavor, family, version string
		right, readable         bool
	}{
		{"4.20 and newer", "Linux", "kernel 5.10 6.1", true, true},
		{"4.20 and newer", "Linux", "kernel 4.19 5.10", false, true},
		{"6.6 to 6.9 (or tuned)", "Linux", "5.10", true, true},
		{"6.6 to 6.9 (tuned)", "Linux", "5.10", false, true},
		{"3.10 to 4.19", "Linux", "4.19.300", true, true},
		{"3.x", "Linux", "3.2", true, true},
		{"3.x", "Linux", "4.2", false, true},
		{"", "Linux", "4.2", true, true},
		{"(or Android)", "Linux", "4.2", true, true},
		{"tuned for 10G", "Linux", "4.2", true, false},
		{"7 or 8", "Windows", "10/11", false, true},
		{"7 or 8", "Windows", "Windows 7 SP1", true, true},
		{"7 to 10", "Windows", "8.1", true, true},
		{"8 or newer", "Windows", "7", false, true},
		{"XP", "Windows", "NT 5.1", true, true},
		{"XP", "Windows", "10", false, true},
		{"Server 2016 and newer", "Windows", "NT 10.0 build 17763", true, true},
		{"Server 2012 R2", "Windows", "8.1", true, true},
		{"10 and newer", "Windows", "Windows 10 - 1803", true, true},
		{"macOS 10.13 and newer, iOS 11 and newer", "iOS", "10.3", false, true},
		{"macOS 10.13 and newer, iOS 11 and newer", "macOS", "10.13.6", true, true},
		{"10.13 and newer", "macOS", "10.12", false, true},
		{"iOS 11 and newer", "macOS", "10.1", true, true},
		{"10.14 or iOS 14 and newer", "macOS", "10.15.7", true, true},
		{"10.14 or iOS 14 and newer", "macOS", "10.13.6", false, true},
		{"10.14 or iOS 14 and newer", "iOS", "13.1", false, true},
		{"10.14 or iOS 14 and newer", "iOS", "16", true, true},
		{"10.14 and newer", "iOS", "9.1", true, true},
		{"7 or 8.1 to 10", "Windows", "8", false, true},
		{"10 and older", "Android", "11", false, true},
	} {
		versions, first := Read(tt.family, tt.version), tt.family
		if first == "iOS" {
			first = "macOS" // as in labels for both
		}
		if len(versions) == 0 {
			t.Errorf("Read(%s, %q) = none", tt.family, tt.version)
		}
		if right, readable := Claims(tt.flavor, first, tt.family, versions); right != tt.right || readable != tt.readable {
			t.Errorf("Claims(%q, %s %s) = %v, %v, want %v, %v", tt.flavor, tt.family, tt.version, right, readable, tt.right, tt.readable)
		}
	}
	for _, text := range []string{"", "Windows", "OSX", "Android", "x.y"} {
		if v := Read("Windows", text); v != nil {
			t.Errorf("Read(%q) = %v, want none", text, v)
		}
	}
}
