// The exponential of the packs that have multiply-add instructions. Each scales the fraction by the power in its own way.
#pragma once

namespace {

// exp(x) = 2^power * fraction, the power a whole number and the fraction from 0.7 to 1.42; 1 unit in the last place.
template <class P>
struct Exponential {
  typename P::Vec power, fraction;

  explicit Exponential(typename P::Vec x) {
    const auto shift = P::set(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
    power = P::sub(P::fma(x, P::set(1.44269504f), shift), shift);
    auto r = P::fma(power, P::set(-0.693359375f), x);
    r = P::fma(power, P::set(2.12194440e-4f), r);
    fraction = P::set(1.38145e-3f);  // least relative error of degree 6 on |r| <= log(2) / 2
    const float lower[] = {8.36878e-3f, 4.166839e-2f, 1.666652e-1f, 4.9999993e-1f, 1.0f, 1.0f};
#pragma GCC unroll 6
    for (const float coefficient : lower) fraction = P::fma(fraction, r, P::set(coefficient));
  }
};

}  // namespace
