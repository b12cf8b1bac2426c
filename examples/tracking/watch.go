package tracking

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	trackingv1 "github.com/protean-gateway/protean/examples/proto/acme/tracking/v1"
)

// Pace is the time between two events where a watcher did not say.
const Pace = time.Second

// MaxEvents bounds the events kept of one parcel.
const MaxEvents = 10_000

// parcel is the journey of a parcel. Events are only ever added.
type parcel struct {
	circular bool // after the last event comes the first again

	mu     sync.Mutex
	events []*trackingv1.ParcelEvent
	added  chan struct{} // closed when an event is added, and then replaced
}

// at returns the event at a position of the journey, or nil and what is closed
// once there is one.
func (p *parcel) at(i int) (*trackingv1.ParcelEvent, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.circular {
		i %= len(p.events)
	}
	if i < len(p.events) {
		return p.events[i], nil
	}
	return nil, p.added
}

// Post adds an event to the journey of its parcel; those who watch it hear of it.
// The event must not be changed afterwards.
func (s *Server) Post(e *trackingv1.ParcelEvent) error {
	p := s.parcels[e.GetParcel()]
	if p == nil {
		return status.Errorf(codes.NotFound, "no parcel %q", e.GetParcel())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.events) >= MaxEvents {
		return status.Errorf(codes.ResourceExhausted, "parcel %q has too many events", e.GetParcel())
	}
	p.events = append(p.events, e)
	close(p.added)
	p.added = make(chan struct{})
	return nil
}

// WatchParcel sends the journey of a parcel: the first event at once, each
// further one when it happens, and at the pace that the watcher asked for.
func (s *Server) WatchParcel(in *trackingv1.WatchParcelRequest, stream grpc.ServerStreamingServer[trackingv1.ParcelEvent]) error {
	if err := checkWatch(in); err != nil {
		return err
	}
	p := s.parcels[in.GetParcel()]
	if p == nil {
		return status.Errorf(codes.NotFound, "no parcel %q", in.GetParcel())
	}
	for i := 0; in.GetMaxEvents() == 0 || i < int(in.GetMaxEvents()); i++ {
		event, err := next(stream.Context(), p, i, in)
		if err != nil {
			return err
		}
		if err := stream.Send(event); err != nil {
			return err
		}
		if event.GetState() == trackingv1.ParcelEvent_STATE_DELIVERED {
			return nil
		}
	}
	return nil
}

func checkWatch(in *trackingv1.WatchParcelRequest) error {
	switch {
	case in.GetParcel() == "":
		return invalid("parcel", "must be set")
	case in.GetMaxEvents() < 0:
		return invalid("max_events", "must not be negative")
	case in.GetInterval() != nil && (in.GetInterval().CheckValid() != nil || in.GetInterval().AsDuration() < 0):
		return invalid("interval", "must not be negative")
	}
	return nil
}

// next waits out the pace and then for the event at position i.
func next(ctx context.Context, p *parcel, i int, in *trackingv1.WatchParcelRequest) (*trackingv1.ParcelEvent, error) {
	if i > 0 {
		if err := wait(ctx, time.After(pace(in))); err != nil {
			return nil, err
		}
	}
	for {
		event, added := p.at(i)
		if event != nil {
			return event, nil
		}
		if err := wait(ctx, added); err != nil {
			return nil, err
		}
	}
}

func pace(in *trackingv1.WatchParcelRequest) time.Duration {
	if in.GetInterval() == nil {
		return Pace
	}
	return max(in.GetInterval().AsDuration(), time.Millisecond)
}

func wait[T any](ctx context.Context, c <-chan T) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}
