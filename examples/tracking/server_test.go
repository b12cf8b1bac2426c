package tracking_test

import (
	"context"
	"errors"
	"io"
	"math"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/protean-gateway/protean/examples"
	trackingv1 "github.com/protean-gateway/protean/examples/proto/acme/tracking/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func connect(t *testing.T) (trackingv1.TrackingServiceClient, *examples.Running) {
	t.Helper()
	shop, err := examples.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shop.Stop)
	conn, err := grpc.NewClient(shop.Backends[2].Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return trackingv1.NewTrackingServiceClient(conn), shop
}

// watch returns how many events came, the last of them, and how the stream ended.
func watch(ctx context.Context, client trackingv1.TrackingServiceClient, in *trackingv1.WatchParcelRequest) (int, *trackingv1.ParcelEvent, error) {
	stream, err := client.WatchParcel(ctx, in)
	if err != nil {
		return 0, nil, err
	}
	var last *trackingv1.ParcelEvent
	for n := 0; ; n++ {
		event, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return n, last, nil
		}
		if err != nil {
			return n, last, err
		}
		last = event
	}
}

func TestWatchParcel(t *testing.T) {
	quick := durationpb.New(0)
	cases := []struct {
		name   string
		in     *trackingv1.WatchParcelRequest
		events int
		state  trackingv1.ParcelEvent_State
		code   codes.Code
	}{
		{"until delivered", &trackingv1.WatchParcelRequest{Parcel: "P-1001", Interval: quick}, 5, trackingv1.ParcelEvent_STATE_DELIVERED, codes.OK},
		{"some events", &trackingv1.WatchParcelRequest{Parcel: "P-1001", Interval: quick, MaxEvents: 2}, 2, trackingv1.ParcelEvent_STATE_ON_THE_WAY, codes.OK},
		{"round the ring", &trackingv1.WatchParcelRequest{Parcel: "P-1003", Interval: quick, MaxEvents: 9}, 9, trackingv1.ParcelEvent_STATE_ON_THE_WAY, codes.OK},
		{"delivered already", &trackingv1.WatchParcelRequest{Parcel: "P-1004"}, 1, trackingv1.ParcelEvent_STATE_DELIVERED, codes.OK},
		{"one event needs no pace", &trackingv1.WatchParcelRequest{Parcel: "P-1002", MaxEvents: 1, Interval: durationpb.New(time.Hour)}, 1, trackingv1.ParcelEvent_STATE_PACKED, codes.OK},
		{"unknown", &trackingv1.WatchParcelRequest{Parcel: "P-1"}, 0, 0, codes.NotFound},
		{"none", &trackingv1.WatchParcelRequest{}, 0, 0, codes.InvalidArgument},
		{"negative events", &trackingv1.WatchParcelRequest{Parcel: "P-1001", MaxEvents: -1}, 0, 0, codes.InvalidArgument},
		{"negative interval", &trackingv1.WatchParcelRequest{Parcel: "P-1001", Interval: durationpb.New(-1)}, 0, 0, codes.InvalidArgument},
	}
	client, _ := connect(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n, last, err := watch(t.Context(), client, c.in)
			if n != c.events || last.GetState() != c.state || status.Code(err) != c.code {
				t.Errorf("%d events, the last %v, error %v; want %d, %v, %v", n, last, err, c.events, c.state, c.code)
			}
		})
	}
}

func TestASilentParcelSpeaksWhenSomethingHappens(t *testing.T) {
	client, shop := connect(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := client.WatchParcel(ctx, &trackingv1.WatchParcelRequest{Parcel: "P-1002", Interval: durationpb.New(0)})
	if err != nil {
		t.Fatal(err)
	}
	if e, err := stream.Recv(); err != nil || e.GetState() != trackingv1.ParcelEvent_STATE_PACKED {
		t.Fatalf("first event %v, %v", e, err)
	}
	if err := shop.Tracking.Post(&trackingv1.ParcelEvent{Parcel: "P-1002", State: trackingv1.ParcelEvent_STATE_ON_THE_WAY}); err != nil {
		t.Fatal(err)
	}
	if e, err := stream.Recv(); err != nil || e.GetState() != trackingv1.ParcelEvent_STATE_ON_THE_WAY {
		t.Fatalf("second event %v, %v", e, err)
	}
	cancel()
	if _, err := stream.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("after cancel: %v", err)
	}
	if err := shop.Tracking.Post(&trackingv1.ParcelEvent{Parcel: "P-1"}); status.Code(err) != codes.NotFound {
		t.Errorf("an event of an unknown parcel: %v", err)
	}
}

func TestReportPositions(t *testing.T) {
	cases := []struct {
		name       string
		positions  []*trackingv1.Position
		kilometres float64
		code       codes.Code
	}{
		{"none", nil, 0, codes.OK},
		{"one", []*trackingv1.Position{{Latitude: 50}}, 0, codes.OK},
		{"a degree of latitude and back", []*trackingv1.Position{{}, {Latitude: 1}, {}}, 2 * 111.195, codes.OK},
		{"half round the earth", []*trackingv1.Position{{Latitude: 90}, {Latitude: -90}}, 20015.087, codes.OK},
		{"off the map", []*trackingv1.Position{{Latitude: 91}}, 0, codes.InvalidArgument},
		{"not a number", []*trackingv1.Position{{Longitude: math.NaN()}}, 0, codes.InvalidArgument},
	}
	client, _ := connect(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			stream, err := client.ReportPositions(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range c.positions {
				if err := stream.Send(p); err != nil && !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
			}
			sum, err := stream.CloseAndRecv()
			if status.Code(err) != c.code || math.Abs(sum.GetKilometres()-c.kilometres) > 0.001 {
				t.Fatalf("got %v, %v; want %v km, %v", sum, err, c.kilometres, c.code)
			}
			if err == nil && int(sum.GetPositions()) != len(c.positions) {
				t.Errorf("%d positions, want %d", sum.GetPositions(), len(c.positions))
			}
		})
	}
}

func TestChatAnswersEachLine(t *testing.T) {
	client, _ := connect(t)
	stream, err := client.Chat(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []struct{ from, text, want string }{
		{"ada", "Where are you?", "Ten minutes from you."},
		{"ada", "Thanks!", "You are welcome."},
		{"", "hello", "Who is there?"},
		{"ada", "ring twice", "Understood, ada: ring twice"},
	} {
		if err := stream.Send(&trackingv1.ChatLine{From: line.from, Text: line.text}); err != nil {
			t.Fatal(err)
		}
		if got, err := stream.Recv(); err != nil || got.GetText() != line.want || got.GetFrom() != "courier" {
			t.Errorf("%q is answered %v, %v; want %q", line.text, got, err, line.want)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the end: %v", err)
	}
}
