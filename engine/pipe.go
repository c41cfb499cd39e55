package engine

// A pipe enters the frames of a file into a shard, on a goroutine of its own:
// one core reads and decodes while another enters. Frames of an interface need
// none: they come on as many goroutines as there are workers, and their answer
// is waited for.
type pipe struct {
	queue chan *batch
	spare chan *batch
	done  chan struct{} // closed when all is entered and handed over
}

const pipeDepth = 16 // batches that may wait

func (e *Engine) newPipe(s *shard) *pipe {
	p := &pipe{
		queue: make(chan *batch, pipeDepth), spare: make(chan *batch, pipeDepth+2),
		done: make(chan struct{}),
	}
	go p.run(e, s)
	return p
}

func (p *pipe) run(e *Engine, s *shard) {
	defer close(p.done)
	for b := range p.queue {
		e.update(s, b.all[:b.n], true)
		b.n, b.data = 0, b.data[:0]
		p.spare <- b
		if len(p.queue) == 0 {
			e.handOver(s, true)
		}
	}
}

// send queues a batch and returns an empty one.
func (p *pipe) send(b *batch) *batch {
	p.queue <- b
	select {
	case b := <-p.spare:
		return b
	default:
		return new(batch)
	}
}

// end returns when all that was sent is entered and handed over.
func (p *pipe) end() {
	close(p.queue)
	<-p.done
}
