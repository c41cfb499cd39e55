package main

import (
	"fmt"
	"os"
	"time"
)

// table is what the command prints: a row an attack, with the figure that was seen
// and its bar.
type table struct {
	begin  time.Time
	last   time.Time
	missed int
}

func newTable() *table {
	fmt.Println("| attack | seen | bar | took | met |\n|---|---|---|---|---|")
	now := time.Now()
	return &table{begin: now, last: now}
}

// row prints the row of what was done since the row before.
func (t *table) row(attack, seen, bar string, met bool) {
	said := "yes"
	if !met {
		said = "no"
		t.missed++
	}
	now := time.Now()
	fmt.Printf("| %s | %s | %s | %v | %s |\n", attack, seen, bar, now.Sub(t.last).Round(100*time.Millisecond), said)
	t.last = now
}

// failed prints a row of an attack that could not be carried out.
func (t *table) failed(attack string, err error) {
	fmt.Fprintf(os.Stderr, "attack: %s: %.2000v\n", attack, err)
	t.row(attack, "not carried out", "", false)
}

// end prints how many bars were met, and returns whether all were.
func (t *table) end() bool {
	fmt.Printf("\n%v; %d rows are not met\n", time.Since(t.begin).Round(time.Second), t.missed)
	return t.missed == 0
}
