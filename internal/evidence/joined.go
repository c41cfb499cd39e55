package evidence

import (
	"context"
	"fmt"
	"io"
	"os"
)

// Joined is a source whose evidence is added up with that of other machines or
// sites. What rules would have done stays that of its own mails.
type Joined struct {
	Source
	more []*Counts
}

// Join reads the counts of others from files.
func Join(src Source, files []string) (*Joined, error) {
	j := &Joined{Source: src}
	for _, name := range files {
		c, err := readCounts(name)
		if err != nil {
			return nil, err
		}
		j.more = append(j.more, c)
	}
	return j, nil
}

// Evidence implements Source.
func (j *Joined) Evidence(ctx context.Context) (*Counts, error) {
	c, err := j.Source.Evidence(ctx)
	if err != nil {
		return nil, err
	}
	for _, more := range j.more {
		c.Merge(more)
	}
	return c, nil
}

// maxFile is the size of a file of counts, in bytes: all that Counts keep is less.
const maxFile = 256 << 20

// readCounts reads the counts that another machine or site wrote to a file.
func readCounts(path string) (*Counts, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%w: more than %d MiB", ErrDamaged, maxFile>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c, err := Decode(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w (mxprint report -counts writes such a file)", path, err)
	}
	return c, nil
}
