package orders_test

import (
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/examples"
	pb "github.com/protean-gateway/protean/examples/proto/orders"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func connect(t *testing.T) pb.OrdersClient {
	t.Helper()
	shop, err := examples.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shop.Stop)
	conn, err := grpc.NewClient(shop.Backends[1].Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return pb.NewOrdersClient(conn)
}

func TestGetOrder(t *testing.T) {
	client := connect(t)
	got, err := client.GetOrder(t.Context(), &pb.OrderId{Id: proto.Uint64(9007199254740993)})
	if err != nil || got.GetCustomer() != "hypatia" {
		t.Errorf("got %v, %v; want hypatia's order", got, err)
	}
	if _, err := client.GetOrder(t.Context(), &pb.OrderId{Id: proto.Uint64(9007199254740992)}); status.Code(err) != codes.NotFound {
		t.Errorf("a missing order: %v", err)
	}
}

func TestFindOrders(t *testing.T) {
	cases := []struct {
		name string
		in   *pb.FindRequest
		want string
	}{
		{"all", &pb.FindRequest{}, "1001 1002 1003 1004 9007199254740993"},
		{"of a customer", &pb.FindRequest{Customer: proto.String("ada")}, "1001 1003"},
		{"of nobody", &pb.FindRequest{Customer: proto.String("")}, ""},
		{"in a state that is the default", &pb.FindRequest{State: []pb.Order_State{pb.Order_NEW}}, "1003"},
		{"in two states", &pb.FindRequest{State: []pb.Order_State{pb.Order_PAID, pb.Order_CANCELLED}}, "1002 1004"},
		{"a few", &pb.FindRequest{Limit: proto.Uint32(2)}, "1001 1002"},
		{"none", &pb.FindRequest{Limit: proto.Uint32(0)}, ""},
	}
	client := connect(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			out, err := client.FindOrders(t.Context(), c.in)
			var ids []string
			for _, o := range out.GetOrder() {
				ids = append(ids, fmt.Sprint(o.GetId()))
			}
			if got := strings.Join(ids, " "); err != nil || got != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestAnOrderIsPlacedAndCancelledOnce(t *testing.T) {
	client := connect(t)
	order, err := client.PlaceOrder(t.Context(), &pb.Order{
		Customer: proto.String("ada"), State: pb.Order_SENT.Enum(), Line: []*pb.Order_Line{{Book: proto.String("books/emma")}},
	})
	if err != nil || order.GetId() != 1005 || order.GetState() != pb.Order_NEW || order.GetPlacedUnixMs() == 0 {
		t.Fatalf("placed %v, %v; want a new order with number 1005", order, err)
	}
	cases := []struct {
		id   uint64
		want string
	}{
		{1005, ""},
		{1005, "it was cancelled already"},
		{1001, "it was sent already"},
		{7, "no such order"},
	}
	for _, c := range cases {
		out, err := client.Cancel(t.Context(), &pb.OrderId{Id: &c.id})
		if err != nil || out.GetOk() != (c.want == "") || out.GetWhyNot() != c.want {
			t.Errorf("cancel %d: %v, %v; want %q", c.id, out, err, c.want)
		}
	}
}

func TestPlaceOrderRefuses(t *testing.T) {
	book := []*pb.Order_Line{{Book: proto.String("books/emma")}}
	cases := []struct {
		name string
		in   *pb.Order
	}{
		{"a number of one's own", &pb.Order{Id: proto.Uint64(1), Customer: proto.String("ada"), Line: book}},
		{"nobody", &pb.Order{Customer: proto.String(" "), Line: book}},
		{"nothing", &pb.Order{Customer: proto.String("ada")}},
		{"no book", &pb.Order{Customer: proto.String("ada"), Line: []*pb.Order_Line{{Book: proto.String("")}}}},
		{"none of a book", &pb.Order{Customer: proto.String("ada"), Line: []*pb.Order_Line{{Book: proto.String("b"), Quantity: proto.Int32(0)}}}},
	}
	client := connect(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if out, err := client.PlaceOrder(t.Context(), c.in); status.Code(err) != codes.InvalidArgument {
				t.Errorf("got %v, %v; want INVALID_ARGUMENT", out, err)
			}
		})
	}
}
