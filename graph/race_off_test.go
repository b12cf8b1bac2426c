//go:build !race

package graph

const poolLoss = 1
