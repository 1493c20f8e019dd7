"""The particle system as double loops over tokens, straight from (1.1)–(1.3), in ordinary floating point."""

import numpy as np


def attention_matrix(x, Q, K, w=None):
    """P_ij = w_j e^{⟨Qx_i, Kx_j⟩} / Σ_l w_l e^{⟨Qx_i, Kx_l⟩}."""
    n = len(x)
    w = np.full(n, 1 / n) if w is None else w
    P = np.zeros((n, n))
    for i in range(n):
        scores = [float((Q @ x[i]) @ (K @ x[j])) for j in range(n)]
        # A token without mass may have the largest score, beside which all others underflow.
        top = max(score for score, mass in zip(scores, w, strict=True) if mass > 0)
        row = [w[j] * np.exp(scores[j] - top) if w[j] > 0 else 0.0 for j in range(n)]
        for j in range(n):
            P[i, j] = row[j] / sum(row)
    return P


def velocity(x, Q, K, V, w=None):
    """X(x_i) = Σ_j P_ij V x_j."""
    P = attention_matrix(x, Q, K, w)
    return np.array([sum(P[i, j] * (V @ x[j]) for j in range(len(x))) for i in range(len(x))])


def transformer(x, Q, K, V, dt, layers):
    """The discrete transformer (1.3): x_i ← x_i + dt Σ_j P_ij V x_j, `layers` times."""
    for _ in range(layers):
        x = x + dt * velocity(x, Q, K, V)
    return x


def rescaled_transformer(z, Q, K, V, dt, layers):
    """Remark 3.3: z^k = R^{−k} x^k with R = I + dt V obeys z_i ← z_i + dt Σ_j P_ij R^{−1} V (z_j − z_i).

    The scores are those of x^k = R^k z^k. For R commutes with V, R^{−(k+1)}(x + dt PVx) = R^{−1}(z + dt PVz), and
    R^{−1}z = z − dt R^{−1}Vz.
    """
    R = np.eye(len(V)) + dt * V
    inverse, power = np.linalg.inv(R), np.eye(len(V))
    for _ in range(layers):
        P = attention_matrix(z @ power.T, Q, K)
        z = z + dt * (P @ z - z) @ (inverse @ V).T
        power = R @ power
    return z


def pulled(weight, average):
    """The double loop Σ_j w_j weight(r²)(y_j − x_i), over Σ_j w_j weight(r²) where it is an average."""

    def loop(x, w):
        out = np.zeros_like(x)
        for i in range(len(x)):
            total = 0.0
            for j in range(len(x)):
                phi = (
                    w[j] * weight(sum((x[j, k] - x[i, k]) ** 2 for k in range(x.shape[1]))) if i != j or average else 0
                )
                out[i] += phi * (x[j] - x[i])
                total += phi
            if average and total > 0:
                out[i] /= total
        return out

    return loop


def softmax_average(queries, sources, log_weights):
    """Softmax averages of the sources and log-sums of exponentials, in extended precision."""
    q, y = queries.astype(np.longdouble), sources.astype(np.longdouble)
    scores = q @ y.T + log_weights
    top = scores.max(axis=1, keepdims=True)
    p = np.exp(scores - top)
    return p @ y / p.sum(axis=1, keepdims=True), np.log(p.sum(axis=1)) + top[:, 0]


def softmax_double_loop(queries, keys, values, log_weights):
    """The same for any values, term by term."""
    queries, keys, values, log_weights = (np.asarray(a, np.longdouble) for a in (queries, keys, values, log_weights))
    mean, logsumexp = np.empty((len(queries), values.shape[1]), np.longdouble), np.empty(len(queries), np.longdouble)
    for i, q in enumerate(queries):
        scores = [log_weights[j] + sum(q * keys[j]) for j in range(len(keys))]
        top = max(scores)
        terms = [np.exp(s - top) for s in scores]
        logsumexp[i] = top + np.log(sum(terms))
        mean[i] = sum(t * v for t, v in zip(terms, values, strict=True)) / sum(terms)
    return mean, logsumexp
