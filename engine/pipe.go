package engine

// A pipe enters the frames of a file into a shard, on a goroutine of its own: one
// core reads and decodes while another enters.
type pipe struct {
	full, spare chan *batch
	done        chan struct{} // closed when all was entered
}

const (
	// pipeFrames is how many frames the batches of all pipes of a file hold: to
	// wake a goroutine takes longer than to enter a few.
	pipeFrames  = 1024
	pipeBatches = 6 // that go round in a pipe: with 3 a file of mails takes a tenth longer
)

// startPipes has batches entered beside the reading, until endPipes returns.
func (in *input) startPipes() {
	size := max(pipeFrames/len(in.batches), batchSize)
	for i, s := range in.engine.shards {
		p := &pipe{make(chan *batch, pipeBatches), make(chan *batch, pipeBatches), make(chan struct{})}
		for range pipeBatches - 1 {
			p.spare <- newBatch(size)
		}
		in.pipes, in.batches[i] = append(in.pipes, p), newBatch(size)
		go p.run(in.engine, s)
	}
}

func (in *input) endPipes() {
	for _, p := range in.pipes {
		close(p.full)
		<-p.done
	}
}

func (p *pipe) run(e *Engine, s *shard) {
	defer close(p.done)
	for b := range p.full {
		for i := 0; i < b.n; i += batchSize {
			e.update(s, b.all[i:min(i+batchSize, b.n)], true)
		}
		b.n, b.data = 0, b.data[:0]
		p.spare <- b
	}
}

// send takes a batch and returns an empty one.
func (p *pipe) send(b *batch) (empty *batch) {
	p.full <- b
	return <-p.spare
}
