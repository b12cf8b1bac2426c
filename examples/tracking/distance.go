package tracking

import (
	"math"

	trackingv1 "github.com/protean-gateway/protean/examples/proto/acme/tracking/v1"
)

const earthRadius = 6371.0 // kilometres

// kilometres is the way between two positions along a great circle, in whole metres.
func kilometres(a, b *trackingv1.Position) float64 {
	lat := haversine(radians(b.GetLatitude() - a.GetLatitude()))
	lon := haversine(radians(b.GetLongitude() - a.GetLongitude()))
	h := lat + math.Cos(radians(a.GetLatitude()))*math.Cos(radians(b.GetLatitude()))*lon
	return math.Round(2*earthRadius*math.Asin(math.Sqrt(min(h, 1)))*1000) / 1000
}

func haversine(angle float64) float64 { return math.Pow(math.Sin(angle/2), 2) }

func radians(degrees float64) float64 { return degrees * math.Pi / 180 }
