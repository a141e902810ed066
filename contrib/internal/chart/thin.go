package chart

// Thin returns at most n of the points (but never fewer than 4), in their order, so that the line
// through them looks the same: of each stretch of points it keeps the lowest and the highest, and
// the first and last of all. Where there are no more than n, it returns the points themselves.
func Thin(points []Point, n int) []Point {
	n = max(n, 4)
	if len(points) <= n {
		return points
	}
	thin := make([]Point, 0, n)
	thin = append(thin, points[0])
	inner := points[1 : len(points)-1]
	stretches := (n - 2) / 2
	for i := range stretches {
		part := inner[i*len(inner)/stretches : (i+1)*len(inner)/stretches]
		lo, hi := 0, 0
		for j, p := range part {
			if p.Y < part[lo].Y {
				lo = j
			}
			if p.Y > part[hi].Y {
				hi = j
			}
		}
		thin = append(thin, part[min(lo, hi)])
		if lo != hi {
			thin = append(thin, part[max(lo, hi)])
		}
	}
	return append(thin, points[len(points)-1])
}
