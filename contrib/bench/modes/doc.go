// Package modes benchmarks what zmem's ways to find bugs cost a pair of Calloc and Free.
package modes
