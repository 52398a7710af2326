"""The definition of hierarchical self-attention: plain loops, one tree node at a time.

Two leaves i, j that lie in the children A, B of their lowest common ancestor have the flat logit
s_ij = scale * q_i.k_j + e_A.f_B, with e and f the query and key side of the nodes' positions. Among all row-stochastic
matrices with one value per ordered pair of siblings, P_ij = theta(A, B) for i under A and j under B, the attention
matrix minimises sum_i KL(P_i || softmax(s_i)). In closed form, n_A the number of leaves under A:

    means          q_A, k_A, v_A = mean over the leaves under A
    siblings       l(A, B) = scale * q_A.k_B + e_A.f_B + log n_B          B another child of A's parent
                   R_A = logsumexp_B l(A, B)      u_A = sum_B exp(l(A, B) - R_A) v_B
    leaf           L_i = s_ii if attend_self else -inf;  its position is that of the top of its chain of only children
    a child        Z_A = logaddexp(L_A, R_A)      an only child: Z_A = L_A
    its parent     L_P = sum_A n_A / n_P * Z_A
    stay inside    g_A = exp(L_A - Z_A)           an only child: 1
    way down       m_A = m_P g_A   and   c_A = c_P + m_P (1 - g_A) u_A,   from m = 1 and c = 0 at the root
    output         o_i = c_i + m_i v_i if attend_self else c_i

Every other backend is tested against this one, which shares no operation on trees with them: it sees the rows as given,
only children and absent nodes included. It computes in the dtype it is given.

Source: arXiv 2509.15448, sections 3 and 4, errata mended. Axes as in `encoders.attention`.
"""

import math

import torch
from torch import Tensor

from encoders.attention.call import AttentionCall


def naive_attention(call: AttentionCall) -> tuple[Tensor, Tensor]:
    """Return outputs (N, H, E) and energies (T, H)."""
    query, forest, present, attend_self = call.query, call.forest, call.present, call.attend_self
    heads = query.shape[1]
    key, value = (x.repeat_interleave(call.group, dim=1) for x in (call.key, call.value))
    leaf_of_row = {row: leaf for leaf, row in enumerate(forest.leaf_rows.tolist())}
    if present is not None:
        leaf_of_row = {row: leaf for row, leaf in leaf_of_row.items() if present[leaf]}
    parent = forest.parent.tolist()
    deepest_first = sorted(range(len(parent)), key=forest.depth.tolist().__getitem__, reverse=True)

    n: dict[int, int] = dict.fromkeys(leaf_of_row, 1)
    for row in deepest_first:
        if row in n and parent[row] >= 0:
            n[parent[row]] = n.get(parent[row], 0) + n[row]
    children: dict[int, list[int]] = {row: [] for row in n}
    for row in sorted(n):
        if parent[row] >= 0:
            children[parent[row]].append(row)

    def logits(left: list[int], q: Tensor, right: list[int], k: Tensor) -> Tensor:
        """(H, A, B) scale * q_A.k_B + e_A.f_B, for rows left and right with means q (A, H, D) and k (B, H, D)."""
        content = torch.einsum("ahd,bhd->hab", q, k) * call.scale
        if call.query_position is None or call.key_position is None:
            return content
        return content + torch.einsum("ahp,bhp->hab", call.query_position[left], call.key_position[right])

    empty = _zeros(query).sum((0, 2))
    q: dict[int, Tensor] = {}
    k: dict[int, Tensor] = {}
    v: dict[int, Tensor] = {}
    L: dict[int, Tensor] = {}
    Z: dict[int, Tensor] = {}
    R: dict[int, Tensor] = {}
    u: dict[int, Tensor] = {}
    for row in deepest_first:
        if row in leaf_of_row:
            leaf = leaf_of_row[row]
            q[row], k[row], v[row] = query[leaf], key[leaf], value[leaf]
            top = row
            while parent[top] >= 0 and len(children[parent[top]]) == 1:
                top = parent[top]
            own = logits([top], q[row][None], [top], k[row][None])[:, 0, 0]
            L[row] = own if attend_self else empty - math.inf
        elif row in n:
            family = children[row]
            Q, K, V = (torch.stack([x[a] for a in family]) for x in (q, k, v))
            share = query.new_tensor([n[a] / n[row] for a in family])
            q[row], k[row], v[row] = (torch.einsum("a,ahd->hd", share, x) for x in (Q, K, V))
            if len(family) == 1:
                L[row] = Z[family[0]] = L[family[0]]
                continue
            log_n = query.new_tensor([math.log(n[a]) for a in family])
            among = logits(family, Q, family, K) + log_n
            among = among.masked_fill(torch.eye(len(family), dtype=torch.bool, device=query.device), -math.inf)
            outside = among.logsumexp(-1).T
            values = torch.einsum("hab,bhe->ahe", among.softmax(-1), V)
            for a, R_a, u_a in zip(family, outside.unbind(), values.unbind(), strict=True):
                R[a], u[a] = R_a, u_a
                Z[a] = torch.logaddexp(L[a], R_a)
            L[row] = share @ torch.stack([Z[a] for a in family])

    nowhere = _zeros(value).sum(0)
    m: dict[int, Tensor] = {}
    c: dict[int, Tensor] = {}
    output = list(_zeros(value).unbind())
    for row in reversed(deepest_first):
        if row not in n:
            continue
        if parent[row] < 0:
            m[row], c[row] = query.new_ones(heads), nowhere
        elif row not in R:
            m[row], c[row] = m[parent[row]], c[parent[row]]
        else:
            above_m, above_c = m[parent[row]], c[parent[row]]
            g = torch.exp(L[row] - Z[row])
            h = torch.exp(R[row] - Z[row])  # 1 - g, without its cancellation
            m[row], c[row] = above_m * g, above_c + (above_m * h)[:, None] * u[row]
        if row in leaf_of_row:
            stays = m[row][:, None] * v[row] if attend_self else 0.0
            output[leaf_of_row[row]] = c[row] + stays

    energy = [L.get(root, empty) for root in forest.roots.tolist()]
    return (
        torch.stack(output) if output else value,
        (torch.stack(energy) if energy else query.new_zeros(0, heads)).to(call.wide),
    )


def _zeros(of: Tensor) -> Tensor:
    """Zeros that stay in the graph: what nothing attends to has gradients too, and they are zero."""
    return torch.where(torch.zeros_like(of, dtype=torch.bool), of, 0.0)
