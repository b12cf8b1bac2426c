package orders

import (
	"cmp"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	pb "github.com/protean-gateway/protean/examples/proto/orders"
)

// MaxOrders bounds what the back office keeps in memory.
const MaxOrders = 100_000

// store keeps orders. What is in it is never changed in place, so what it
// returns may be read without a lock, and must not be written to.
type store struct {
	mu     sync.RWMutex
	orders map[uint64]*pb.Order
	last   uint64 // the number given last
}

func newStore() *store {
	s := &store{orders: make(map[uint64]*pb.Order), last: 1004}
	for _, o := range seed() {
		s.orders[o.GetId()] = o
	}
	return s
}

func (s *store) get(id uint64) *pb.Order {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.orders[id]
}

func (s *store) all(fits func(*pb.Order) bool) []*pb.Order {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*pb.Order
	for _, o := range s.orders {
		if fits(o) {
			found = append(found, o)
		}
	}
	slices.SortFunc(found, func(a, b *pb.Order) int { return cmp.Compare(a.GetId(), b.GetId()) })
	return found
}

// add numbers the order and keeps it, where there is room.
func (s *store) add(o *pb.Order) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.orders) >= MaxOrders {
		return false
	}
	s.last++
	o.Id = proto.Uint64(s.last)
	o.PlacedUnixMs = proto.Uint64(placed(s.last))
	s.orders[s.last] = o
	return true
}

// cancel returns why an order cannot be cancelled, or nothing.
func (s *store) cancel(id uint64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.orders[id]
	switch {
	case o == nil:
		return "no such order"
	case o.GetState() == pb.Order_SENT:
		return "it was sent already"
	case o.GetState() == pb.Order_CANCELLED:
		return "it was cancelled already"
	}
	cancelled := proto.CloneOf(o)
	cancelled.State = pb.Order_CANCELLED.Enum()
	s.orders[id] = cancelled
	return ""
}

// placed is the time of an order by the back office's own calendar, in which one
// order comes each minute.
func placed(id uint64) uint64 { return 1_767_225_600_000 + (id-1000)*60_000 }

func seed() []*pb.Order {
	return []*pb.Order{
		{
			Id: proto.Uint64(1001), Customer: proto.String("ada"), State: pb.Order_SENT.Enum(), PlacedUnixMs: proto.Uint64(placed(1001)),
			Line:    []*pb.Order_Line{line("books/emma", 1), line("books/elements", 2)},
			Address: &pb.Order_Address{Street: proto.String("12 Analytical Row"), City: proto.String("London")},
		},
		{
			Id: proto.Uint64(1002), Customer: proto.String("grace"), State: pb.Order_PAID.Enum(), PlacedUnixMs: proto.Uint64(placed(1002)),
			Line:     []*pb.Order_Line{line("books/alice", 3), {Book: proto.String("books/orlando"), Discount: proto.Float32(0.25)}},
			NotesRef: []int32{7, -3},
		},
		{
			// Neither state nor quantity is set: both have defaults. One book is not in the catalog.
			Id: proto.Uint64(1003), Customer: proto.String("ada"), PlacedUnixMs: proto.Uint64(placed(1003)),
			Line: []*pb.Order_Line{{Book: proto.String("books/emma")}, {Book: proto.String("books/never-written")}},
		},
		{
			Id: proto.Uint64(1004), Customer: proto.String("alan"), State: pb.Order_CANCELLED.Enum(), PlacedUnixMs: proto.Uint64(placed(1004)),
			Line: []*pb.Order_Line{line("books/time-machine", 1)},
		},
		{
			// An order taken over from an older system, whose numbers a double cannot hold.
			Id: proto.Uint64(9007199254740993), Customer: proto.String("hypatia"), State: pb.Order_SENT.Enum(),
			Line: []*pb.Order_Line{line("books/elements", 1)},
		},
	}
}

func line(book string, quantity int32) *pb.Order_Line {
	return &pb.Order_Line{Book: &book, Quantity: &quantity}
}
