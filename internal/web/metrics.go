package web

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mxprint/mxprint/internal/status"
)

// Labels are bounded: front, source, state and reason by the program and its
// configuration, system by the built-in database. None is an address or a text
// of a client.
var (
	info          = desc("info", "The version that runs; always 1.", "version")
	started       = desc("start_time_seconds", "When the process started, in seconds since 1970.")
	health        = desc("health", "1 for the health that the sensor has, 0 for the others.", "health")
	sourceUp      = desc("source_up", "1 while a source of SYNs runs.", "source")
	sourceFrames  = desc("source_frames_total", "Frames that a source handed over.", "source")
	sourceSYNs    = desc("source_syns_total", "SYNs among the frames of a source.", "source")
	notRead       = desc("unread_frames_total", "Frames that could not be read: malformed, of another link, in tunnels that are not opened, cut.")
	sourceDrops   = desc("source_dropped_frames_total", "Frames lost because the sensor was slower than the network.", "source")
	sourceLast    = desc("source_last_frame_timestamp_seconds", "When the last frame of a source came.", "source")
	answers       = desc("answers_total", "Answers by front and state of the note.", "front", "state")
	late          = desc("late_answers_total", "Questions without an answer by their deadline, or without a sensor.", "front")
	bad           = desc("bad_requests_total", "Malformed questions.", "front")
	frontDown     = desc("front_failed_listeners", "Listeners of a front that do not listen now.", "front")
	conns         = desc("front_connections", "Connections to a front now.", "front")
	connsTotal    = desc("front_connections_total", "Connections to a front so far.", "front")
	connsRejected = desc("front_rejected_total", "Connections closed over a limit, without a token, or because they did not read.", "front", "reason")
	lookups       = desc("lookup_duration_seconds", "How long look-ups took, their wait for a SYN included.")
	systems       = desc("matched_answers_total", "Matched answers by system; other are names that are not built in.", "system")
	hosts         = desc("hosts", "Addresses that are remembered.")
	hostsMax      = desc("hosts_limit", "Addresses that may be remembered (limits.hosts).")
	flows         = desc("connections", "Connections under way that are followed.")
	flowsMax      = desc("connections_limit", "Connections that may be followed (limits.connections).")
	memory        = desc("resident_memory_bytes", "Resident memory of the process.")
	lost          = desc("lost_observations_total", "Observations that no log has: it was too slow, or could not be written.", "reason")
	logLines      = desc("suppressed_log_lines_total", "Log lines left out because there were many of their kind.")
	signatures    = desc("signatures", "Signatures in use.")
	sigDate       = desc("signatures_newest_timestamp_seconds", "The month of the newest signature.")
	sigLoaded     = desc("signatures_loaded_timestamp_seconds", "When the signatures were loaded.")
	sharedUp      = desc("shared_store_up", "1 while the shared store answers look-ups, or takes what is published.", "for")
	sharedAsked   = desc("shared_store_lookups_total", "Look-ups by what they had of the shared store: answered from another sensor, not found, without it.", "result")
	sharedErrors  = desc("shared_store_errors_total", "Questions to the shared store without a proper answer in time.")
	sharedBad     = desc("shared_store_malformed_total", "Records of the shared store that were not used.")
	sharedEmptied = desc("shared_store_emptied_total", "Times that the shared store had lost what this sensor had said of itself: it was flushed, or restarted without its data.")
	sharedWritten = desc("shared_store_published_total", "Notes that were published in the shared store.")
	sharedDropped = desc("shared_store_dropped_total", "Notes and counts that could not be published in time.")
	sharedQueued  = desc("shared_store_queued", "Notes and counts that wait to be published.")
	sharedLag     = desc("shared_store_lag_seconds", "How long what was published last had waited.")
	certificate   = desc("certificate_expiry_timestamp_seconds", "When the certificate of the query socket by TLS expires.")
	storeUp       = desc("store_up", "1 while connections are remembered.")
	storeBytes    = desc("store_bytes", "Size of the store's files.")
	storeMax      = desc("store_limit_bytes", "Size that they may have (store.size_mib).")
	storeQueued   = desc("store_queued", "Connections and verdicts that wait to be written.")
	storeWritten  = desc("store_connections_total", "Connections that were written.")
	storeDropped  = desc("store_dropped_total", "Connections and verdicts that could not be written in time.")
	storeAsides   = desc("store_set_aside_total", "Damaged files that were set aside.")
	storeSlow     = desc("store_slow_lookups_total", "Answers without memory: the store was too slow, or could not be read.")
	verdicts      = desc("verdicts_total", "Verdicts that came, by whether their connection was found.", "found")
	configValid   = desc("configuration_valid", "1 while the configuration file would start again.")
	rowsSent      = desc("export_rows_total", "Rows of history that ClickHouse has taken.")
	rowsWaiting   = desc("export_waiting_rows", "Rows of history in the spool.")
	rowsOldest    = desc("export_lag_seconds", "Age of the oldest row of history in the spool; 0 where none waits.")
	rowsBytes     = desc("export_spool_bytes", "Size of the spool of history.")
	rowsMax       = desc("export_spool_limit_bytes", "Size that the spool may have (export.spool_mib).")
	rowsFailures  = desc("export_failed_requests_total", "Requests to ClickHouse that failed.")
	rowsDropped   = desc("export_dropped_rows_total", "Rows of history that nothing has.", "reason")
	rowsWritten   = desc("export_written_rows_total", "Rows of history in the file (export.file).")
	rowsFault     = desc("export_failing", "1 while history does not arrive.")
	configWaiting = desc("configuration_keys_waiting", "Keys of the configuration file that wait for a restart.")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("mxprint_"+name, help, labels, nil)
}

// collector makes metrics of a Status at each scrape.
type collector struct{ status func() *status.Status }

// Describe implements prometheus.Collector: which metrics there are depends on the
// Status.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.status()
	m := metrics{ch}
	m.gauge(info, 1, s.Version)
	m.gauge(started, seconds(s.Started))
	for _, h := range []status.Health{status.Well, status.Degraded, status.Down} {
		m.gauge(health, truth(s.Health == h), string(h))
	}
	for _, src := range s.Sources {
		m.source(&src)
	}
	for _, f := range s.Fronts {
		m.front(&f)
	}
	m.lookups(&s.Lookups)
	if s.Asks == "" {
		m.gauge(hosts, float64(s.Hosts.Now))
		m.gauge(hostsMax, float64(s.Hosts.Max))
		m.gauge(flows, float64(s.Connections.Now))
		m.gauge(flowsMax, float64(s.Connections.Max))
		m.signatures(&s.Database)
	}
	if s.Memory > 0 {
		m.gauge(memory, float64(s.Memory))
	}
	m.counter(lost, s.Lost.Observations, "slow")
	m.counter(lost, s.Lost.Unwritten, "unwritten")
	m.counter(logLines, s.Lost.LogLines)
	if s.Shared != nil {
		m.shared(s.Shared)
	}
	if s.Certificate != nil {
		m.gauge(certificate, seconds(*s.Certificate))
	}
	m.export(s)
	m.store(s.Store)
	m.counter(notRead, s.NotRead)
	m.gauge(configValid, truth(s.Configuration.Fault == ""))
	m.gauge(configWaiting, float64(len(s.Configuration.Waiting)))
}

// metrics sends metrics to a scrape.
type metrics struct{ ch chan<- prometheus.Metric }

func (m metrics) gauge(d *prometheus.Desc, v float64, labels ...string) {
	m.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (m metrics) counter(d *prometheus.Desc, n uint64, labels ...string) {
	m.ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func (m metrics) store(s *status.Store) {
	if s == nil {
		return
	}
	m.gauge(storeUp, truth(s.Fault == ""))
	m.gauge(storeBytes, float64(s.Bytes))
	m.gauge(storeMax, float64(s.MaxBytes))
	m.gauge(storeQueued, float64(s.Queued))
	m.counter(storeWritten, s.Written)
	m.counter(storeDropped, s.Dropped)
	m.counter(storeAsides, s.Asides)
	m.counter(storeSlow, s.Slow)
	m.counter(verdicts, s.Verdicts, "yes")
	m.counter(verdicts, s.Orphans, "no")
}

func (m metrics) source(s *status.Source) {
	m.gauge(sourceUp, truth(s.State == status.Running), s.Name)
	m.counter(sourceFrames, s.Frames, s.Name)
	m.counter(sourceSYNs, s.SYNs, s.Name)
	m.counter(sourceDrops, s.Drops, s.Name)
	if s.Last != nil {
		m.gauge(sourceLast, seconds(*s.Last), s.Name)
	}
}

func (m metrics) front(f *status.Front) {
	if f.Asks() {
		m.counter(answers, f.Answers.Matched, f.Name, "matched")
		m.counter(answers, f.Answers.Unknown, f.Name, "unknown")
		m.counter(answers, f.Answers.NotSeen, f.Name, "not_seen")
		m.counter(answers, f.Answers.Unavailable, f.Name, "unavailable")
		m.counter(late, f.Late, f.Name)
		m.counter(bad, f.Bad, f.Name)
	}
	m.gauge(frontDown, float64(len(f.Failed)), f.Name)
	if f.MaxConns > 0 {
		m.gauge(conns, float64(f.Open), f.Name)
		m.counter(connsTotal, f.Served, f.Name)
	}
	m.counter(connsRejected, f.Refused, f.Name, "limit")
	m.counter(connsRejected, f.Denied, f.Name, "token")
	m.counter(connsRejected, f.Dropped, f.Name, "unread")
}

func (m metrics) shared(s *status.Shared) {
	m.gauge(sharedUp, truth(s.Fault == ""), "lookups")
	m.gauge(sharedUp, truth(s.WriteFault == ""), "publishing")
	m.counter(sharedAsked, s.Found, "found")
	m.counter(sharedAsked, s.Asked-min(s.Asked, s.Found), "not_found")
	m.counter(sharedAsked, s.Missed, "without")
	m.counter(sharedErrors, s.Errors)
	m.counter(sharedBad, s.Malformed)
	m.counter(sharedEmptied, s.Emptied)
	m.counter(sharedWritten, s.Published)
	m.counter(sharedDropped, s.Dropped)
	m.gauge(sharedQueued, float64(s.Queued))
	m.gauge(sharedLag, s.Lag)
}

func (m metrics) lookups(l *status.Lookups) {
	bounds := make(map[float64]uint64, len(l.Buckets))
	for _, b := range l.Buckets {
		if b.Seconds > 0 {
			bounds[b.Seconds] = b.Count
		}
	}
	m.ch <- prometheus.MustNewConstHistogram(lookups, l.Count(), l.Seconds, bounds)
	for name, n := range l.Systems {
		m.counter(systems, n, name)
	}
}

func (m metrics) signatures(db *status.Database) {
	m.gauge(signatures, float64(db.Signatures))
	m.gauge(sigLoaded, seconds(db.Loaded))
	if at, err := time.Parse("2006-01", db.Date); err == nil {
		m.gauge(sigDate, seconds(at))
	}
}

// export is history on its way. Without [export] there is nothing.
func (m metrics) export(s *status.Status) {
	e := s.Export
	if e == nil {
		return
	}
	lag := 0.0
	if e.Oldest != nil {
		lag = s.Now.Sub(*e.Oldest).Seconds()
	}
	m.counter(rowsSent, e.Sent)
	m.gauge(rowsWaiting, float64(e.Waiting))
	m.gauge(rowsOldest, lag)
	m.gauge(rowsBytes, float64(e.Bytes))
	m.gauge(rowsMax, float64(e.MaxBytes))
	m.counter(rowsFailures, e.Failures)
	m.counter(rowsWritten, e.Written)
	m.gauge(rowsFault, truth(e.Fault != ""))
	for _, d := range []struct {
		reason string
		n      uint64
	}{{"memory", e.Dropped.Memory}, {"full", e.Dropped.Full}, {"disk", e.Dropped.Disk}, {"damaged", e.Dropped.Damaged}, {"refused", e.Dropped.Refused}, {"file", e.Dropped.File}} {
		m.counter(rowsDropped, d.n, d.reason)
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
