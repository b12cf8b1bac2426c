package tracking

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	trackingv1 "github.com/protean-gateway/protean/examples/proto/acme/tracking/v1"
)

const (
	packed    = trackingv1.ParcelEvent_STATE_PACKED
	onTheWay  = trackingv1.ParcelEvent_STATE_ON_THE_WAY
	delivered = trackingv1.ParcelEvent_STATE_DELIVERED
)

func seed() []*parcel {
	ring := journey(
		event("P-1003", 9007199254740993, onTheWay, 52.52, 13.285),
		event("P-1003", 9007199254740993, onTheWay, 52.555, 13.405),
		event("P-1003", 9007199254740993, onTheWay, 52.52, 13.475),
		event("P-1003", 9007199254740993, onTheWay, 52.465, 13.405),
	)
	ring.circular = true
	return []*parcel{
		journey(
			event("P-1001", 1001, packed, 51.5, -0.125),
			event("P-1001", 1001, onTheWay, 51.25, 0.5),
			event("P-1001", 1001, onTheWay, 51, 1.25),
			event("P-1001", 1001, onTheWay, 50.875, 1.75),
			event("P-1001", 1001, delivered, 50.75, 1.625),
		),
		journey(event("P-1002", 1002, packed, 51.5, -0.125)),
		ring,
		journey(event("P-1004", 0, delivered, 48.85, 2.35)),
	}
}

// journey makes a parcel of its events, one each hour.
func journey(events ...*trackingv1.ParcelEvent) *parcel {
	for i, e := range events {
		e.EventTime = timestamppb.New(time.Date(2026, time.January, 12, 6+i, 0, 0, 0, time.UTC))
	}
	return &parcel{events: events, added: make(chan struct{})}
}

func event(parcel string, order uint64, state trackingv1.ParcelEvent_State, latitude, longitude float64) *trackingv1.ParcelEvent {
	return &trackingv1.ParcelEvent{
		Parcel: parcel, State: state, OrderId: order,
		Position: &trackingv1.Position{Latitude: latitude, Longitude: longitude},
	}
}
