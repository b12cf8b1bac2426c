//go:build race

package graph

// poolLoss is how many times as much is allocated because sync.Pool forgets at random: it does so under the race detector.
const poolLoss = 2
